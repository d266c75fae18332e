package oci

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"sync/atomic"

	"github.com/oracle/oci-go-sdk/v65/clusterplacementgroups"
	"github.com/oracle/oci-go-sdk/v65/common"
	"github.com/oracle/oci-go-sdk/v65/common/auth"
	"github.com/oracle/oci-go-sdk/v65/containerengine"
	"github.com/oracle/oci-go-sdk/v65/core"
	"github.com/oracle/oci-go-sdk/v65/identity"
	"github.com/oracle/oci-go-sdk/v65/keymanagement"
	"github.com/oracle/oci-go-sdk/v65/streaming"
	"github.com/oracle/oci-go-sdk/v65/workrequests"
	"k8s.io/utils/clock"
)

// AuthMethod says how the controller proves to OCI who it is.
type AuthMethod string

const (
	// AuthWorkloadIdentity uses the pod's service account; it needs an enhanced OKE cluster.
	AuthWorkloadIdentity AuthMethod = "workload-identity"
	// AuthInstancePrincipal uses the instance that the controller runs on.
	AuthInstancePrincipal AuthMethod = "instance-principal"
	// AuthAPIKey uses a user's API key from an OCI configuration file.
	AuthAPIKey AuthMethod = "api-key"
	// AuthSessionToken uses a session token from an OCI configuration file.
	AuthSessionToken AuthMethod = "session-token"
)

// AuthMethods lists every method, for help texts and validation.
var AuthMethods = []AuthMethod{AuthWorkloadIdentity, AuthInstancePrincipal, AuthAPIKey, AuthSessionToken}

// Config says where OCI is and who is calling.
type Config struct {
	Auth          AuthMethod
	ConfigFile    string // OCI configuration file, for api-key and session-token
	ConfigProfile string // profile in it
	Region        string // overrides the region of the credentials when set
	Endpoint      string // scheme://host[:port] that takes the calls of every service, instead of the region's hosts
	RateLimits    RateLimits
	// ServiceAccountDir holds the token of the pod's service account and the cluster's CA. Default: where Kubernetes mounts them.
	ServiceAccountDir string
}

// Client calls OCI. It is safe for concurrent use and holds no cache.
type Client struct {
	compute         core.ComputeClient
	network         core.VirtualNetworkClient
	identity        identity.IdentityClient
	containerEngine containerengine.ContainerEngineClient
	workRequests    workrequests.WorkRequestClient
	placementGroups clusterplacementgroups.ClusterPlacementGroupsCPClient
	blockStorage    core.BlockstorageClient
	vaults          *vaultClients
	streams         *streamClients
	limiter         *limiter
	clock           clock.Clock
	region          string
	calls           atomic.Int64  // under way
	session         sessionKeeper // nil when the credentials do not have to be fetched
}

// sessionKeeper fetches credentials that run out, before a request is signed with them.
type sessionKeeper interface {
	// ensure waits, no longer than ctx, until there is a good session. It is cheap while there is one.
	ensure(ctx context.Context) error
	// discard says that OCI did not accept the session; true when a new one will be fetched.
	discard() bool
}

// New makes the clients. It reads credentials but sends nothing to the services.
func New(cfg Config, clk clock.Clock) (*Client, error) {
	provider, err := cfg.provider(clk)
	if err != nil {
		return nil, err
	}
	return NewWithProvider(cfg, provider, clk)
}

// NewWithProvider is New with credentials that the caller already has.
func NewWithProvider(cfg Config, provider common.ConfigurationProvider, clk clock.Clock) (*Client, error) {
	c := &Client{limiter: newLimiter(clk, cfg.RateLimits), clock: clk}
	c.session, _ = provider.(sessionKeeper)
	var err error
	if c.compute, err = core.NewComputeClientWithConfigurationProvider(provider); err != nil {
		return nil, fmt.Errorf("making the OCI compute client: %w", err)
	}
	if c.network, err = core.NewVirtualNetworkClientWithConfigurationProvider(provider); err != nil {
		return nil, fmt.Errorf("making the OCI network client: %w", err)
	}
	if c.identity, err = identity.NewIdentityClientWithConfigurationProvider(provider); err != nil {
		return nil, fmt.Errorf("making the OCI identity client: %w", err)
	}
	if c.containerEngine, err = containerengine.NewContainerEngineClientWithConfigurationProvider(provider); err != nil {
		return nil, fmt.Errorf("making the OCI container engine client: %w", err)
	}
	if c.workRequests, err = workrequests.NewWorkRequestClientWithConfigurationProvider(provider); err != nil {
		return nil, fmt.Errorf("making the OCI work request client: %w", err)
	}
	if c.placementGroups, err = clusterplacementgroups.NewClusterPlacementGroupsCPClientWithConfigurationProvider(provider); err != nil {
		return nil, fmt.Errorf("making the OCI cluster placement group client: %w", err)
	}
	if c.blockStorage, err = core.NewBlockstorageClientWithConfigurationProvider(provider); err != nil {
		return nil, fmt.Errorf("making the OCI block storage client: %w", err)
	}
	if c.region = cfg.Region; c.region == "" {
		if c.region, err = provider.Region(); err != nil {
			return nil, fmt.Errorf("reading the region from the OCI credentials (set --oci-region): %w", err)
		}
	}
	c.vaults = &vaultClients{provider: provider, endpoint: cfg.Endpoint, region: c.region, byHost: map[string]keymanagement.KmsManagementClient{}}
	c.streams = &streamClients{provider: provider, endpoint: cfg.Endpoint, region: c.region, byHost: map[string]streaming.StreamClient{}}
	c.point(cfg)
	return c, nil
}

// point sends every client to the region or endpoint of the configuration.
func (c *Client) point(cfg Config) {
	bases := []*common.BaseClient{&c.compute.BaseClient, &c.network.BaseClient, &c.identity.BaseClient, &c.containerEngine.BaseClient, &c.workRequests.BaseClient, &c.placementGroups.BaseClient, &c.blockStorage.BaseClient}
	if cfg.Region != "" {
		c.compute.SetRegion(cfg.Region)
		c.network.SetRegion(cfg.Region)
		c.identity.SetRegion(cfg.Region)
		c.containerEngine.SetRegion(cfg.Region)
		c.workRequests.SetRegion(cfg.Region)
		c.placementGroups.SetRegion(cfg.Region)
		c.blockStorage.SetRegion(cfg.Region)
	}
	for _, base := range bases {
		plain(base)
		if cfg.Endpoint != "" {
			base.Host = cfg.Endpoint
		}
	}
}

// Region is the region that calls go to, as OCI names it: us-phoenix-1.
func (c *Client) Region() string { return c.region }

// Validate checks what can be checked without a network.
func (cfg Config) Validate() error {
	known := false
	for _, m := range AuthMethods {
		known = known || cfg.Auth == m
	}
	if !known {
		return fmt.Errorf("--oci-auth %q is not known; use one of %v", cfg.Auth, AuthMethods)
	}
	if cfg.Endpoint != "" {
		u, err := url.Parse(cfg.Endpoint)
		if err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") || (u.Path != "" && u.Path != "/") {
			return fmt.Errorf("--oci-endpoint %q is not scheme://host[:port]", cfg.Endpoint)
		}
	}
	return cfg.RateLimits.Validate()
}

func (cfg Config) provider(clk clock.Clock) (common.ConfigurationProvider, error) {
	switch cfg.Auth {
	case AuthAPIKey, AuthSessionToken:
		if _, err := os.Stat(cfg.ConfigFile); err != nil {
			return nil, fmt.Errorf("reading the OCI configuration file (--oci-config-file): %w", err)
		}
		if cfg.Auth == AuthSessionToken {
			return common.CustomProfileSessionTokenConfigProvider(cfg.ConfigFile, cfg.ConfigProfile), nil
		}
		provider, err := common.ConfigurationProviderFromFileWithProfile(cfg.ConfigFile, cfg.ConfigProfile, "")
		if err != nil {
			return nil, fmt.Errorf("reading profile %s of %s: %w", cfg.ConfigProfile, cfg.ConfigFile, err)
		}
		return provider, nil
	case AuthInstancePrincipal:
		provider, err := auth.InstancePrincipalConfigurationProvider()
		if err != nil {
			return nil, fmt.Errorf("getting instance principal credentials (does the controller run on an OCI instance?): %w", err)
		}
		return provider, nil
	default:
		return newWorkloadIdentity(cfg, clk)
	}
}
