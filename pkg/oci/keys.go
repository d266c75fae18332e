package oci

import (
	"context"
	"fmt"
	"regexp"
	"strings"
	"sync"

	"github.com/oracle/oci-go-sdk/v65/common"
	"github.com/oracle/oci-go-sdk/v65/keymanagement"
)

// vaultClients are the clients of vaults: each vault has a management endpoint of its own.
type vaultClients struct {
	provider common.ConfigurationProvider
	endpoint string // takes the calls instead of the vaults' own endpoints when set
	region   string

	mu     sync.Mutex // only memory is touched under it
	byHost map[string]keymanagement.KmsManagementClient
}

// GetKey reads one vault key. A key that is missing and a key that may not be read are the same to OCI: ClassNotFound.
func (c *Client) GetKey(ctx context.Context, id string) (keymanagement.Key, error) {
	client, err := c.vaults.clientFor(id)
	if err != nil {
		return keymanagement.Key{}, err
	}
	op := operation{service: serviceKeyManagement, name: "GetKey"}
	resp, err := call(ctx, c, op, client.GetKey, keymanagement.GetKeyRequest{KeyId: &id})
	return resp.Key, err
}

func (v *vaultClients) clientFor(keyID string) (keymanagement.KmsManagementClient, error) {
	host := v.endpoint
	if host == "" {
		var err error
		if host, err = vaultEndpoint(keyID, v.region); err != nil {
			return keymanagement.KmsManagementClient{}, err
		}
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if client, ok := v.byHost[host]; ok {
		return client, nil
	}
	client, err := keymanagement.NewKmsManagementClientWithConfigurationProvider(v.provider, host)
	if err != nil {
		return client, fmt.Errorf("making the OCI key management client: %w", err)
	}
	plain(&client.BaseClient)
	v.byHost[host] = client
	return client, nil
}

var vaultName = regexp.MustCompile(`^[a-z0-9-]{1,63}$`)

// vaultEndpoint is the management endpoint of the vault that a key belongs to. The fifth part of a key's OCID is the name that
// begins the vault's host: ocid1.key.oc1.iad.afnxza26aag4s.abzw... is served by afnxza26aag4s-management.kms.<region domain>.
func vaultEndpoint(keyID, region string) (string, error) {
	parts := strings.Split(keyID, ".")
	if len(parts) != 6 || !vaultName.MatchString(parts[4]) {
		return "", &Error{Operation: "GetKey", Class: ClassNotFound, Code: "NoVault", Message: "the key's OCID does not name its vault"}
	}
	return common.StringToRegion(region).EndpointForTemplate("kms", "https://"+parts[4]+"-management.kms.{region}.{secondLevelDomain}"), nil
}
