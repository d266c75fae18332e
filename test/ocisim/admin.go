package ocisim

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"

	"github.com/samber/lo"
)

// adminRoute is one row of the admin endpoint: what a person with curl can ask and change. No signature is needed, and nothing is journalled.
type adminRoute struct {
	method, path, help string
	handle             func(s *Simulator, r *http.Request) (any, error)
}

func adminTable() []adminRoute {
	return append(adminQuestions(), adminChanges()...)
}

func adminQuestions() []adminRoute {
	return []adminRoute{
		{"GET", "/_sim/world", "identifiers of the region's fixed resources", func(s *Simulator, _ *http.Request) (any, error) { return s.World(), nil }},
		{"GET", "/_sim/instances", "all instances, TERMINATED ones too; ?state=RUNNING", func(s *Simulator, r *http.Request) (any, error) {
			state := r.URL.Query().Get("state")
			return lo.Filter(s.Instances(), func(i Instance, _ int) bool { return state == "" || i.State == state }), nil
		}},
		{"GET", "/_sim/instances/{id}", "one instance", func(s *Simulator, r *http.Request) (any, error) {
			i, known := lo.Find(s.Instances(), func(i Instance) bool { return i.ID == r.PathValue("id") })
			if !known {
				return nil, notFound("instance %s", r.PathValue("id"))
			}
			return i, nil
		}},
		{"GET", "/_sim/journal", "requests counted by operation, and how many of them failed", func(s *Simulator, _ *http.Request) (any, error) {
			return map[string]any{"counts": s.journal.Counts(), "errors": s.journal.Errors()}, nil
		}},
		{"GET", "/_sim/journal/entries", "requests one by one; ?since=<seq>", func(s *Simulator, r *http.Request) (any, error) {
			since, err := strconv.ParseUint(lo.CoalesceOrEmpty(r.URL.Query().Get("since"), "0"), 10, 64)
			if err != nil {
				return nil, fmt.Errorf("since is not a sequence number: %w", err)
			}
			return emptyIfNone(s.journal.Entries(since)), nil
		}},
		{"GET", "/_sim/faults", "the script of faults", func(s *Simulator, _ *http.Request) (any, error) { return s.faults.List(), nil }},
		{"GET", "/_sim/cluster", "the cluster's record", func(s *Simulator, _ *http.Request) (any, error) { return s.Cluster(), nil }},
	}
}

func adminChanges() []adminRoute {
	return []adminRoute{
		{"DELETE", "/_sim/journal", "forget all requests", func(s *Simulator, _ *http.Request) (any, error) { s.journal.Reset(); return done, nil }},
		{"POST", "/_sim/faults", `add a fault: {"kind":"OutOfHostCapacity","match":{"shape":"VM.Standard.E4.*"},"times":3}`, addFault},
		{"DELETE", "/_sim/faults", "remove all faults", func(s *Simulator, _ *http.Request) (any, error) { s.faults.Clear(); return done, nil }},
		{"DELETE", "/_sim/faults/{id}", "remove one fault", func(s *Simulator, r *http.Request) (any, error) {
			if !s.faults.Remove(r.PathValue("id")) {
				return nil, notFound("fault %s", r.PathValue("id"))
			}
			return done, nil
		}},
		{"PATCH", "/_sim/cluster", `change the cluster's record: {"kubernetesVersion":"v1.36.4"}`, patchCluster},
		{"POST", "/_sim/instances/{id}/{action}", "stop, reset, terminate or preempt an instance behind the client's back, or hang its operating system", actOnInstance},
		{"POST", "/_sim/images", `publish an image: {"displayName":"Oracle-Linux-8.10-2026.11.01-0-OKE-1.36.3-1900","freeformTags":{"k8s_version":"v1.36.3"}}`,
			created(func(s *Simulator, spec ImageSpec) (string, error) { return s.PublishImage(spec) })},
		{"DELETE", "/_sim/images/{id}", "withdraw an image", func(s *Simulator, r *http.Request) (any, error) { return done, s.WithdrawImage(r.PathValue("id")) }},
		{"POST", "/_sim/subnets", `add a subnet: {"name":"tiny","cidr":"10.0.250.0/29"}`,
			created(func(s *Simulator, spec SubnetSpec) (string, error) { return s.AddSubnet(spec) })},
		{"POST", "/_sim/reservations", `make a capacity reservation, or with "id" change its count: {"name":"r","availabilityDomain":"Uocm:PHX-AD-1","shape":"VM.Standard.E5.Flex","ocpus":2,"memoryInGBs":16,"count":3}`,
			created(func(s *Simulator, spec ReservationSpec) (string, error) { return s.SetReservation(spec) })},
		{"POST", "/_sim/compute-clusters", `make a compute cluster: {"name":"rdma","availabilityDomain":"Uocm:PHX-AD-1"}`,
			created(func(s *Simulator, in namedInAD) (string, error) {
				return s.AddComputeCluster(in.Name, in.AvailabilityDomain)
			})},
		{"POST", "/_sim/dedicated-vm-hosts", `make a dedicated VM host: {"name":"host","availabilityDomain":"Uocm:PHX-AD-1","ocpus":64}`,
			created(func(s *Simulator, spec PlaceSpec) (string, error) { return s.AddDedicatedVMHost(spec) })},
		{"POST", "/_sim/cluster-placement-groups", `make a cluster placement group: {"name":"near","availabilityDomain":"Uocm:PHX-AD-1"}`,
			created(func(s *Simulator, spec PlaceSpec) (string, error) { return s.AddClusterPlacementGroup(spec) })},
		{"POST", "/_sim/security-groups", `make a network security group: {"name":"web","freeformTags":{"tier":"web"}}`,
			created(func(s *Simulator, spec Labelled) (string, error) { return s.AddSecurityGroup(spec) })},
		{"POST", "/_sim/maintenance", `schedule a maintenance: {"instanceId":"ocid1.instance...","action":"REBOOT_MIGRATION","startsAfter":"1h"}`, addMaintenance},
		{"POST", "/_sim/streams", `make a stream: {"name":"events","partitions":2}`,
			created(func(s *Simulator, spec StreamSpec) (string, error) { return s.AddStream(spec) })},
		{"DELETE", "/_sim/streams/{id}", "delete a stream", func(s *Simulator, r *http.Request) (any, error) { return done, s.DeleteStream(r.PathValue("id")) }},
		{"POST", "/_sim/event-rules", `send events of a compartment to a stream: {"compartmentId":"ocid1.compartment...","streamId":"ocid1.stream..."}`,
			changed(func(s *Simulator, rule EventRule) error { return s.AddEventRule(rule) })},
		{"POST", "/_sim/host-capacity", `bound the hosts: {"shape":"VM.Standard.E5.*","availabilityDomain":"Uocm:PHX-AD-1","ocpus":16}`,
			changed(func(s *Simulator, rule HostCapacity) error { return s.SetHostCapacity(rule) })},
		{"DELETE", "/_sim/host-capacity", "hosts never run out again", func(s *Simulator, _ *http.Request) (any, error) { s.ClearHostCapacity(); return done, nil }},
		{"POST", "/_sim/limits", `set a service limit: {"name":"standard-e5-core-count","availabilityDomain":"","value":10}`,
			changed(func(s *Simulator, b bound) error { return s.SetLimit(b.Name, b.AvailabilityDomain, b.Value) })},
		{"POST", "/_sim/quotas", `set a compartment quota: {"name":"standard-e5-core-count","value":10}`,
			changed(func(s *Simulator, b bound) error { return s.SetQuota(b.Name, b.AvailabilityDomain, b.Value) })},
		{"POST", "/_sim/shapes", `offer a shape in an AD or not: {"shape":"VM.Standard.A1.Flex","availabilityDomain":"Uocm:PHX-AD-1","offered":false}`,
			changed(func(s *Simulator, o offer) error { return s.SetShapeOffered(o.Shape, o.AvailabilityDomain, o.Offered) })},
		{"POST", "/_sim/virtual-nodes", `set the size of the virtual node pool: {"size":3}`,
			changed(func(s *Simulator, p struct {
				Size int `json:"size"`
			}) error {
				return s.SetVirtualNodes(p.Size)
			})},
	}
}

type (
	namedInAD struct {
		Name               string `json:"name"`
		AvailabilityDomain string `json:"availabilityDomain"`
	}
	bound struct {
		Name               string `json:"name"`
		AvailabilityDomain string `json:"availabilityDomain"`
		Value              int64  `json:"value"`
	}
	offer struct {
		Shape              string `json:"shape"`
		AvailabilityDomain string `json:"availabilityDomain"`
		Offered            bool   `json:"offered"`
	}
)

var done = map[string]string{"status": "done"}

// adminRoutes mounts the admin endpoint. Its root lists what it can do.
func (s *Simulator) adminRoutes(mux *http.ServeMux) {
	table := adminTable()
	for _, route := range table {
		mux.HandleFunc(route.method+" "+route.path, func(w http.ResponseWriter, r *http.Request) {
			answer, err := route.handle(s, r)
			writeAdmin(w, answer, err)
		})
	}
	mux.HandleFunc("GET /_sim/{$}", func(w http.ResponseWriter, _ *http.Request) {
		writeAdmin(w, lo.Map(table, func(r adminRoute, _ int) string { return fmt.Sprintf("%-6s %s: %s", r.method, r.path, r.help) }), nil)
	})
}

func writeAdmin(w http.ResponseWriter, answer any, err error) {
	status := http.StatusOK
	if err != nil {
		status, answer = http.StatusBadRequest, map[string]string{"error": err.Error()}
		var known *apiError
		if errors.As(err, &known) {
			status = known.Status
		}
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	_ = encoder.Encode(answer) // the client may have gone
}

// readAdmin decodes a body strictly, so that a misspelt member is an error and not a surprise.
func readAdmin(r *http.Request, into any) error {
	d := json.NewDecoder(io.LimitReader(r.Body, maxBody))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return fmt.Errorf("reading the body: %w", err)
	}
	return nil
}

func created[T any](build func(*Simulator, T) (string, error)) func(*Simulator, *http.Request) (any, error) {
	return func(s *Simulator, r *http.Request) (any, error) {
		var spec T
		if err := readAdmin(r, &spec); err != nil {
			return nil, err
		}
		id, err := build(s, spec)
		return map[string]string{"id": id}, err
	}
}

func changed[T any](change func(*Simulator, T) error) func(*Simulator, *http.Request) (any, error) {
	return func(s *Simulator, r *http.Request) (any, error) {
		var spec T
		if err := readAdmin(r, &spec); err != nil {
			return nil, err
		}
		return done, change(s, spec)
	}
}

func addFault(s *Simulator, r *http.Request) (any, error) {
	var fault Fault
	if err := readAdmin(r, &fault); err != nil {
		return nil, err
	}
	id, err := s.faults.Add(fault)
	return map[string]string{"id": id}, err
}

func patchCluster(s *Simulator, r *http.Request) (any, error) {
	next := s.Cluster()
	if err := readAdmin(r, &next); err != nil {
		return nil, err
	}
	s.SetCluster(func(c *ClusterState) { *c = next })
	return s.Cluster(), nil
}

func actOnInstance(s *Simulator, r *http.Request) (any, error) {
	id := r.PathValue("id")
	actions := map[string]func(string) error{"stop": s.StopInstance, "reset": s.ResetInstance, "terminate": s.TerminateInstance, "preempt": s.PreemptInstance, "hang": s.HangInstance}
	act, known := actions[r.PathValue("action")]
	if !known {
		return nil, fmt.Errorf("action %q is none of stop, reset, terminate, preempt", r.PathValue("action"))
	}
	return done, act(id)
}

func addMaintenance(s *Simulator, r *http.Request) (any, error) {
	var in struct {
		MaintenanceSpec
		StartsAfter string `json:"startsAfter"`
	}
	if err := readAdmin(r, &in); err != nil {
		return nil, err
	}
	after, err := time.ParseDuration(lo.CoalesceOrEmpty(in.StartsAfter, "0s"))
	if err != nil {
		return nil, fmt.Errorf("startsAfter: %w", err)
	}
	in.MaintenanceSpec.StartsAfter = after
	id, err := s.ScheduleMaintenance(in.MaintenanceSpec)
	return map[string]string{"id": id}, err
}

func emptyIfNone[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}
