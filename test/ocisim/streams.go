package ocisim

import (
	"cmp"
	"fmt"
	"hash/fnv"
	"slices"
	"strconv"
	"time"

	"github.com/oracle/oci-go-sdk/v65/streaming"
	"github.com/samber/lo"
)

// Limits of the Streaming service, from its documentation ("Limits on Streaming Resources", "Consuming Messages").
const (
	cursorLife       = 5 * time.Minute // a cursor that is not used for this long has expired
	mostMessages     = 10_000          // in one answer
	mostBytes        = 1 << 20         // in one answer, and of one message
	getsEachSecond   = 5               // of one consumer group, for each partition
	defaultRetention = 24              // hours
	memberTimeout    = 30 * time.Second
)

// StreamSpec describes a stream to make.
type StreamSpec struct {
	Name             string `json:"name"`
	CompartmentID    string `json:"compartmentId,omitempty"`    // default: the cluster's
	Partitions       int    `json:"partitions,omitempty"`       // default 1
	RetentionInHours int    `json:"retentionInHours,omitempty"` // 24 (default) to 168
}

// stream is an append-only log in partitions with its consumer groups.
type stream struct {
	model      streaming.Stream
	partitions []*partition
	groups     map[string]*group
	turn       int // where the next message without a key goes
}

type partition struct {
	first    int64 // offset of the oldest message that is kept
	messages []message
}

type message struct {
	key, value []byte
	at         time.Time
}

// next is the offset of the message that comes next.
func (p *partition) next() int64 { return p.first + int64(len(p.messages)) }

// AddStream makes a stream and returns its OCID.
func (s *Simulator) AddStream(spec StreamSpec) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	id := s.newID("stream")
	return id, s.state.addStream(id, spec, s.world, s.clock.Now())
}

func (st *state) addStream(id string, spec StreamSpec, w World, now time.Time) error {
	setDefault(&spec.CompartmentID, w.CompartmentID)
	setDefault(&spec.Partitions, 1)
	setDefault(&spec.RetentionInHours, defaultRetention)
	switch {
	case spec.Name == "":
		return invalid("a stream needs a name")
	case spec.Partitions < 1 || spec.Partitions > 50:
		return invalid("%d partitions are not within 1..50", spec.Partitions)
	case spec.RetentionInHours < 24 || spec.RetentionInHours > 168:
		return invalid("a retention of %d hours is not within 24..168", spec.RetentionInHours)
	}
	if err := st.compartment(spec.CompartmentID); err != nil {
		return err
	}
	made := &stream{groups: map[string]*group{}, model: streaming.Stream{
		Name: lo.ToPtr(spec.Name), Id: lo.ToPtr(id), Partitions: lo.ToPtr(spec.Partitions), RetentionInHours: lo.ToPtr(spec.RetentionInHours),
		CompartmentId: lo.ToPtr(spec.CompartmentID), StreamPoolId: lo.ToPtr(uniqueSibling(id, "streampool")), LifecycleState: streaming.StreamLifecycleStateActive,
		TimeCreated: stamp(now), MessagesEndpoint: lo.ToPtr("https://cell-1.streaming." + w.Region + ".oci.oraclecloud.com"),
		FreeformTags: map[string]string{}, DefinedTags: map[string]map[string]any{},
	}}
	for range spec.Partitions {
		made.partitions = append(made.partitions, &partition{})
	}
	st.streams.put(id, made)
	return nil
}

// DeleteStream deletes a stream with its messages and groups, as a person in the console would. Nothing says afterwards that it was there.
func (s *Simulator) DeleteStream(id string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, known := s.state.streams.get(id); !known {
		return notFound("stream %s", id)
	}
	s.state.streams.remove(id)
	return nil
}

// Publish puts messages without a key into a stream, one after the other.
func (s *Simulator) Publish(streamID string, values ...[]byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	st, known := s.state.streams.get(streamID)
	if !known {
		return notFound("stream %s", streamID)
	}
	for _, value := range values {
		st.put(nil, value, s.clock.Now())
	}
	return nil
}

// Waiting is how many messages a consumer group of a stream has not committed; of a group that does not exist, all.
func (s *Simulator) Waiting(streamID, groupName string) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	st, known := s.state.streams.get(streamID)
	if !known {
		return 0, notFound("stream %s", streamID)
	}
	waiting := 0
	for n, p := range st.partitions {
		from := p.first
		if g := st.groups[groupName]; g != nil {
			from = g.committed[n]
		}
		waiting += int(p.next() - from)
	}
	return waiting, nil
}

// Groups are the names of a stream's consumer groups, in order.
func (s *Simulator) Groups(streamID string) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	st, known := s.state.streams.get(streamID)
	if !known {
		return nil
	}
	names := lo.Keys(st.groups)
	slices.Sort(names)
	return names
}

// put appends a message and says where: messages of one key share a partition, others take turns.
func (st *stream) put(key, value []byte, now time.Time) (partition int, offset int64) {
	if len(key) == 0 {
		partition = st.turn % len(st.partitions)
		st.turn++
	} else {
		h := fnv.New32a()
		_, _ = h.Write(key)
		partition = int(h.Sum32() % uint32(len(st.partitions)))
	}
	p := st.partitions[partition]
	offset = p.next()
	p.messages = append(p.messages, message{key: key, value: value, at: now})
	return partition, offset
}

// trim forgets messages and groups that are older than the retention.
func (st *stream) trim(now time.Time) {
	oldest := now.Add(-time.Duration(*st.model.RetentionInHours) * time.Hour)
	for _, p := range st.partitions {
		gone, _ := slices.BinarySearchFunc(p.messages, oldest, func(m message, t time.Time) int { return m.at.Compare(t) })
		p.messages, p.first = p.messages[gone:], p.first+int64(gone)
	}
	for name, g := range st.groups {
		if g.used.Before(oldest) {
			delete(st.groups, name)
		}
	}
}

// group is a consumer group: committed offsets, and the members that share the partitions.
type group struct {
	committed []int64 // by partition: the first offset that was not handled yet
	members   map[string]*member
	used      time.Time
	gets      []time.Time // of the last second
	turn      int
}

type member struct {
	name        string
	seen        time.Time
	timeout     time.Duration
	commitOnGet bool
}

// newGroup makes a group that starts where the type of its first cursor says.
func (st *stream) newGroup(d streaming.CreateGroupCursorDetails, now time.Time) (*group, error) {
	g := &group{committed: make([]int64, len(st.partitions)), members: map[string]*member{}, used: now}
	for n, p := range st.partitions {
		switch d.Type {
		case streaming.CreateGroupCursorDetailsTypeTrimHorizon:
			g.committed[n] = p.first
		case streaming.CreateGroupCursorDetailsTypeLatest:
			g.committed[n] = p.next()
		case streaming.CreateGroupCursorDetailsTypeAtTime:
			if d.Time == nil {
				return nil, invalid("time is required for a cursor of type AT_TIME")
			}
			before, _ := slices.BinarySearchFunc(p.messages, d.Time.Time, func(m message, t time.Time) int { return m.at.Compare(t) })
			g.committed[n] = p.first + int64(before)
		default:
			return nil, invalid("type %q is none of AT_TIME, LATEST, TRIM_HORIZON", d.Type)
		}
	}
	return g, nil
}

// touch notes that a member is there, and forgets those that were silent for too long.
func (g *group) touch(m *member, now time.Time) {
	m.seen, g.used = now, now
	g.members[m.name] = m
	for name, other := range g.members {
		if now.Sub(other.seen) > other.timeout {
			delete(g.members, name)
		}
	}
}

// owner is the member that a partition is reserved for.
func (g *group) owner(partition int) *member {
	names := lo.Keys(g.members)
	if len(names) == 0 {
		return nil
	}
	slices.Sort(names)
	return g.members[names[partition%len(names)]]
}

// tooMany counts a get and says whether it is one too many for the group.
func (g *group) tooMany(partitions int, now time.Time) bool {
	g.gets = slices.DeleteFunc(g.gets, func(t time.Time) bool { return now.Sub(t) >= time.Second })
	if len(g.gets) >= getsEachSecond*partitions {
		return true
	}
	g.gets = append(g.gets, now)
	return false
}

// reservations are the group as GetGroup answers it.
func (g *group) reservations() []streaming.PartitionReservation {
	out := []streaming.PartitionReservation{}
	for n, committed := range g.committed {
		r := streaming.PartitionReservation{Partition: lo.ToPtr(strconv.Itoa(n)), CommittedOffset: lo.ToPtr(committed)}
		if m := g.owner(n); m != nil {
			r.ReservedInstance, r.TimeReservedUntil = lo.ToPtr(m.name), stamp(m.seen.Add(m.timeout))
		}
		out = append(out, r)
	}
	return out
}

// describe is for error messages.
func (c cursor) describe() string {
	return fmt.Sprintf("cursor of instance %s of group %s", cmp.Or(c.Member, "?"), cmp.Or(c.Group, "?"))
}
