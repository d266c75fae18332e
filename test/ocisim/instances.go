package ocisim

import (
	"net/http"
	"strings"

	"github.com/oracle/oci-go-sdk/v65/core"
	"github.com/samber/lo"
)

func instanceOperations() []operation {
	return []operation{
		{name: launchOperation, method: http.MethodPost, path: "/20160918/instances", handle: launchInstance},
		{name: "ListInstances", method: http.MethodGet, path: "/20160918/instances", handle: listInstances},
		{name: "GetInstance", method: http.MethodGet, path: "/20160918/instances/{id}", handle: getInstance},
		{name: "UpdateInstance", method: http.MethodPut, path: "/20160918/instances/{id}", handle: updateInstance},
		{name: "InstanceAction", method: http.MethodPost, path: "/20160918/instances/{id}", handle: instanceAction},
		{name: "TerminateInstance", method: http.MethodDelete, path: "/20160918/instances/{id}", handle: terminateInstance},
	}
}

// listInstances has no filter on tags, as the real one. A young instance is absent while its list lag lasts.
func listInstances(s *Simulator, c *call) (*reply, error) {
	compartment, err := s.inCompartment(c)
	if err != nil {
		return nil, err
	}
	out := make([]*instance, 0, len(s.state.instances.ids))
	for _, i := range s.state.instances.all() {
		m := &i.model
		if *m.CompartmentId == compartment && !c.now.Before(i.listedFrom) && c.is("availabilityDomain", *m.AvailabilityDomain) &&
			c.is("displayName", *m.DisplayName) && c.is("lifecycleState", string(m.LifecycleState)) &&
			c.is("capacityReservationId", lo.FromPtr(m.CapacityReservationId)) && c.is("computeClusterId", i.computeClusterID) {
			out = append(out, i)
		}
	}
	byTime := func(a, b *instance) int { return a.created.Compare(b.created) }
	byName := func(a, b *instance) int { return strings.Compare(*a.model.DisplayName, *b.model.DisplayName) }
	if err := sortList(c, out, byTime, byName); err != nil {
		return nil, err
	}
	return listAs(c, out, func(i *instance) string { return *i.model.Id }, func(i *instance) core.Instance { return i.model })
}

// instanceOf finds the instance a request's path names and holds it against if-match.
func (s *Simulator) instanceOf(c *call) (*instance, error) {
	i, known := s.state.instances.get(c.path("id"))
	if !known {
		return nil, notFound("instance %s", c.path("id"))
	}
	if want := c.r.Header.Get("if-match"); want != "" && want != i.etag() && want != "*" {
		return nil, &apiError{Status: http.StatusPreconditionFailed, Code: "NoEtagMatch", Message: "The if-match header does not match the resource's etag"}
	}
	return i, nil
}

func getInstance(s *Simulator, c *call) (*reply, error) {
	i, err := s.instanceOf(c)
	if err != nil {
		return nil, err
	}
	return ok(i.model).with("etag", i.etag()), nil
}

// updateInstance replaces what is given. Tags and metadata are replaced as a whole, never merged.
func updateInstance(s *Simulator, c *call) (*reply, error) {
	i, err := s.instanceOf(c)
	if err != nil {
		return nil, err
	}
	var d core.UpdateInstanceDetails
	if err := c.decode(&d); err != nil {
		return nil, err
	}
	if !lo.Contains(liveStates, i.model.LifecycleState) {
		return nil, conflict("IncorrectState", "instance %s is %s", c.path("id"), i.model.LifecycleState)
	}
	if d.Shape != nil || d.ShapeConfig != nil || d.FaultDomain != nil || d.SourceDetails != nil {
		return nil, invalid("changing shape, shapeConfig, faultDomain or sourceDetails is not known to this simulator")
	}
	if err := checkTags(d.FreeformTags); err != nil {
		return nil, err
	}
	metadata, extended := i.model.Metadata, i.model.ExtendedMetadata
	if d.Metadata != nil {
		metadata = d.Metadata
	}
	if d.ExtendedMetadata != nil {
		extended = d.ExtendedMetadata
	}
	if n := metadataSize(metadata, extended); n > maxMetadataBytes {
		return nil, invalid("The combined size of metadata and extendedMetadata is %d bytes, more than the %d allowed", n, maxMetadataBytes)
	}
	for _, key := range []string{"user_data", "ssh_authorized_keys"} { // documented: fixed at launch
		if metadata[key] != i.model.Metadata[key] {
			return nil, invalid("metadata key %s cannot be changed after launch", key)
		}
	}
	m := &i.model
	m.Metadata, m.ExtendedMetadata = metadata, extended
	m.DisplayName = lo.CoalesceOrEmpty(d.DisplayName, m.DisplayName)
	if d.FreeformTags != nil {
		m.FreeformTags = d.FreeformTags
	}
	if d.DefinedTags != nil {
		m.DefinedTags = d.DefinedTags
	}
	i.revision++
	return ok(i.model).with("etag", i.etag()), nil
}

// terminateInstance: preserveDataVolumesCreatedAtLaunch defaults to true, so volumes created at launch leak unless the client says false. Uncertain:
// a TERMINATED instance is answered with 404 and a TERMINATING one with 409 IncorrectState; no public source shows either.
func terminateInstance(s *Simulator, c *call) (*reply, error) {
	i, err := s.instanceOf(c)
	if err != nil {
		return nil, err
	}
	keepBoot, err := c.flag("preserveBootVolume", false)
	if err != nil {
		return nil, err
	}
	keepData, err := c.flag("preserveDataVolumesCreatedAtLaunch", true)
	if err != nil {
		return nil, err
	}
	switch i.model.LifecycleState {
	case core.InstanceLifecycleStateTerminated:
		return nil, notFound("instance %s", c.path("id"))
	case core.InstanceLifecycleStateTerminating:
		return nil, conflict("IncorrectState", "instance %s is TERMINATING", c.path("id"))
	}
	i.preserveBoot, i.preserveData = keepBoot, keepData
	work := s.terminate(i, "", c.now)
	return (&reply{status: http.StatusNoContent}).with("opc-work-request-id", work), nil
}
