package machine

import (
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
)

// metadataHosts answer the instance metadata service.
var metadataHosts = map[string]bool{"169.254.169.254": true, "[fd00:c1::a9fe:a9fe]": true}

// curl fetches from the metadata service only: a booting node is given no other network.
func curl(c *call) (uint8, error) {
	var target, output string
	var headers []string
	failOnError, silent := false, false
	for i := 1; i < len(c.args); i++ {
		a := c.args[i]
		value := func() string {
			if i+1 < len(c.args) {
				i++
				return c.args[i]
			}
			return ""
		}
		switch {
		case a == "-H" || a == "--header":
			headers = append(headers, value())
		case a == "-o" || a == "--output":
			output = value()
		case a == "--retry" || a == "--retry-delay" || a == "--retry-max-time" || a == "-m" || a == "--max-time" || a == "--connect-timeout" || a == "-X" || a == "--request" || a == "--noproxy":
			value()
		case strings.HasPrefix(a, "--"):
			failOnError = failOnError || a == "--fail" || a == "--fail-with-body"
			silent = silent || a == "--silent"
		case strings.HasPrefix(a, "-") && len(a) > 1:
			failOnError = failOnError || strings.Contains(a, "f")
			silent = silent || strings.Contains(a, "s")
		default:
			target = a
		}
	}
	u, err := url.Parse(target)
	if target == "" || err != nil {
		return c.fail(3, "(3) URL using bad/illegal format or missing URL")
	}
	if !metadataHosts[u.Host] && !metadataHosts[u.Hostname()] && u.Hostname() != "fd00:c1::a9fe:a9fe" {
		return c.fail(6, "(6) Could not resolve host: %s", u.Hostname())
	}
	status, body := c.m.imds(u.Path, headers)
	if status >= 400 && failOnError {
		if !silent {
			_, _ = fmt.Fprintf(c.err, "curl: (22) The requested URL returned error: %d\n", status)
		}
		return 22, nil
	}
	if output != "" {
		if err := c.m.fs.WriteFile(c.path(output), []byte(body), 0o644); err != nil {
			return c.fail(23, "(23) Failure writing output: %s", plain(err))
		}
		return 0, nil
	}
	_, _ = fmt.Fprint(c.out, body)
	return 0, nil
}

// imds answers a request to the second version of the metadata service.
func (m *Machine) imds(path string, headers []string) (status int, body string) {
	authorised := false
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ":")
		authorised = authorised || strings.EqualFold(strings.TrimSpace(name), "Authorization") && strings.TrimSpace(value) == "Bearer Oracle"
	}
	if !authorised {
		return 403, "Not Authorized\n"
	}
	rest, ok := strings.CutPrefix(strings.TrimSuffix(path, "/"), "/opc/v2/")
	if !ok {
		return 404, "Not Found\n"
	}
	var value any = m.document()
	for key := range strings.SplitSeq(rest, "/") {
		fields, ok := value.(map[string]any)
		if !ok {
			return 404, "Not Found\n"
		}
		if value, ok = fields[key]; !ok {
			return 404, "Not Found\n"
		}
	}
	if s, ok := value.(string); ok {
		return 200, s
	}
	data, err := json.MarshalIndent(value, "", "  ")
	if err != nil {
		return 500, "Internal Server Error\n"
	}
	return 200, string(data)
}

// document is the tree that the metadata service serves.
func (m *Machine) document() map[string]any {
	i := m.inst
	metadata := map[string]any{}
	for k, v := range i.Metadata {
		metadata[k] = v
	}
	for k, v := range i.ExtendedMetadata {
		metadata[k] = v
	}
	tags := map[string]any{}
	for k, v := range i.FreeformTags {
		tags[k] = v
	}
	return map[string]any{
		"instance": map[string]any{
			"id": i.ID, "displayName": i.DisplayName, "hostname": i.DisplayName, "compartmentId": i.CompartmentID, "image": i.ImageID,
			"shape": i.Shape, "shapeConfig": map[string]any{"ocpus": i.OCPUs, "memoryInGBs": i.MemoryGB},
			"availabilityDomain": i.AvailabilityDomain, "faultDomain": i.FaultDomain, "region": i.Region, "canonicalRegionName": i.Region,
			"state": "Running", "metadata": metadata, "freeformTags": tags,
		},
		"vnics": []any{map[string]any{"privateIp": i.PrivateIP}},
	}
}
