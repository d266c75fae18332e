package ocisim

import (
	"encoding/base64"
	"encoding/json"
	"maps"
	"net/http"
	"strconv"
	"time"

	"github.com/google/uuid"
	"github.com/oracle/oci-go-sdk/v65/streaming"
	"github.com/samber/lo"
)

func streamOperations() []operation {
	const streams = "/20180418/streams"
	return []operation{
		{name: "ListStreams", method: http.MethodGet, path: streams, handle: listStreams},
		{name: "GetStream", method: http.MethodGet, path: streams + "/{id}", handle: getStream},
		{name: "PutMessages", method: http.MethodPost, path: streams + "/{id}/messages", handle: putMessages},
		{name: "CreateGroupCursor", method: http.MethodPost, path: streams + "/{id}/groupCursors", handle: createGroupCursor},
		{name: "GetMessages", method: http.MethodGet, path: streams + "/{id}/messages", handle: getMessages},
		{name: "ConsumerCommit", method: http.MethodPost, path: streams + "/{id}/commit", handle: consumerCommit},
		{name: "ConsumerHeartbeat", method: http.MethodPost, path: streams + "/{id}/heartbeat", handle: consumerHeartbeat},
		{name: "GetGroup", method: http.MethodGet, path: streams + "/{id}/groups/{group}", handle: getGroup},
	}
}

func (s *Simulator) streamOf(c *call) (*stream, error) {
	st, known := s.state.streams.get(c.path("id"))
	if !known {
		return nil, notFound("stream %s", c.path("id"))
	}
	st.trim(c.now)
	return st, nil
}

func listStreams(s *Simulator, c *call) (*reply, error) {
	compartment, err := s.inCompartment(c)
	if err != nil {
		return nil, err
	}
	out := lo.FilterMap(s.state.streams.all(), func(st *stream, _ int) (streaming.StreamSummary, bool) {
		m := st.model
		return streaming.StreamSummary{Name: m.Name, Id: m.Id, Partitions: m.Partitions, CompartmentId: m.CompartmentId, StreamPoolId: m.StreamPoolId,
				LifecycleState: streaming.StreamSummaryLifecycleStateActive, TimeCreated: m.TimeCreated, MessagesEndpoint: m.MessagesEndpoint},
			*m.CompartmentId == compartment && c.is("name", *m.Name)
	})
	return list(c, out, func(m streaming.StreamSummary) string { return *m.Id })
}

func getStream(s *Simulator, c *call) (*reply, error) {
	st, err := s.streamOf(c)
	if err != nil {
		return nil, err
	}
	return ok(st.model).with("etag", "1"), nil
}

func putMessages(s *Simulator, c *call) (*reply, error) {
	st, err := s.streamOf(c)
	if err != nil {
		return nil, err
	}
	var in streaming.PutMessagesDetails
	if err := c.decode(&in); err != nil {
		return nil, err
	}
	if len(in.Messages) == 0 {
		return nil, invalid("messages must not be empty")
	}
	out := streaming.PutMessagesResult{Failures: lo.ToPtr(0), Entries: []streaming.PutMessagesResultEntry{}}
	for _, m := range in.Messages {
		if len(m.Value) == 0 || len(m.Key)+len(m.Value) > mostBytes || len(m.Key) > 256 {
			return nil, invalid("a message has 1 byte to 1 MiB, and a key of at most 256 bytes")
		}
		n, offset := st.put(m.Key, m.Value, c.now)
		out.Entries = append(out.Entries, streaming.PutMessagesResultEntry{Partition: lo.ToPtr(strconv.Itoa(n)), Offset: lo.ToPtr(offset), Timestamp: stamp(c.now)})
	}
	return ok(out), nil
}

// cursor is what the opaque text of a group cursor holds: where the instance has read to in each of its partitions.
type cursor struct {
	Stream string        `json:"s"`
	Group  string        `json:"g"`
	Member string        `json:"m"`
	Commit bool          `json:"c"` // on get
	Wait   time.Duration `json:"w"` // until the reservations end
	Read   map[int]int64 `json:"r,omitempty"`
	Made   time.Time     `json:"t"`
}

func (c cursor) text() string {
	raw, _ := json.Marshal(c) // plain fields
	return base64.RawURLEncoding.EncodeToString(raw)
}

func createGroupCursor(s *Simulator, c *call) (*reply, error) {
	st, err := s.streamOf(c)
	if err != nil {
		return nil, err
	}
	var d streaming.CreateGroupCursorDetails
	if err := c.decode(&d); err != nil {
		return nil, err
	}
	name := lo.FromPtr(d.GroupName)
	if name == "" || d.Type == "" {
		return nil, missing("groupName and type")
	}
	g := st.groups[name]
	if g == nil {
		if g, err = st.newGroup(d, c.now); err != nil {
			return nil, err
		}
		st.groups[name] = g
	}
	made := cursor{
		Stream: *st.model.Id, Group: name, Member: lo.CoalesceOrEmpty(lo.FromPtr(d.InstanceName), uuid.NewString()), Made: c.now,
		Commit: lo.FromPtrOr(d.CommitOnGet, true), Wait: memberTimeout,
	}
	if d.TimeoutInMs != nil {
		made.Wait = time.Duration(*d.TimeoutInMs) * time.Millisecond
	}
	g.touch(made.member(), c.now)
	return ok(streaming.Cursor{Value: lo.ToPtr(made.text())}), nil
}

func (c cursor) member() *member {
	return &member{name: c.Member, timeout: c.Wait, commitOnGet: c.Commit}
}

// read checks the cursor of a request and notes that its instance is there. Uncertain: the real service's words for an expired cursor; that
// it is a 400 is what its clients report.
func (s *Simulator) read(c *call) (*stream, *group, cursor, error) {
	var at cursor
	st, err := s.streamOf(c)
	if err != nil {
		return nil, nil, at, err
	}
	text, err := c.required("cursor")
	if err != nil {
		return nil, nil, at, err
	}
	raw, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil || json.Unmarshal(raw, &at) != nil || at.Stream != *st.model.Id {
		return nil, nil, at, invalid("The cursor is not valid for this stream")
	}
	if c.now.Sub(at.Made) > cursorLife {
		return nil, nil, at, invalid("The cursor has expired: %s", at.describe())
	}
	g := st.groups[at.Group]
	if g == nil {
		return nil, nil, at, invalid("The consumer group does not exist any more: %s", at.describe())
	}
	g.touch(at.member(), c.now)
	return st, g, at, nil
}

// commit moves the group's offsets to where the cursor has read; they never go back.
func (g *group) commit(at cursor) {
	for n, offset := range at.Read {
		if n < len(g.committed) && g.owner(n).name == at.Member {
			g.committed[n] = max(g.committed[n], offset)
		}
	}
}

// getMessages answers messages of one partition at a time, as a consumer has to expect it.
func getMessages(s *Simulator, c *call) (*reply, error) {
	st, g, at, err := s.read(c)
	if err != nil {
		return nil, err
	}
	limit := mostMessages
	if c.query.Has("limit") {
		if limit, err = strconv.Atoi(c.query.Get("limit")); err != nil || limit < 1 || limit > mostMessages {
			return nil, invalid("limit must be a whole number within 1..%d", mostMessages)
		}
	}
	if g.tooMany(len(st.partitions), c.now) {
		return nil, tooManyRequests(time.Second)
	}
	if at.Commit {
		g.commit(at)
	}
	next := at
	next.Read, next.Made = maps.Clone(at.Read), c.now
	if next.Read == nil {
		next.Read = map[int]int64{}
	}
	out := []streaming.Message{}
	for range st.partitions {
		n := g.turn % len(st.partitions)
		g.turn++
		if g.owner(n).name != at.Member {
			delete(next.Read, n)
			continue
		}
		from := max(lo.ValueOr(next.Read, n, g.committed[n]), st.partitions[n].first)
		out = st.messagesOf(n, from, limit)
		if len(out) > 0 {
			next.Read[n] = from + int64(len(out))
			break
		}
	}
	return ok(out).with("opc-next-cursor", next.text()), nil
}

// messagesOf reads a partition from an offset.
func (st *stream) messagesOf(n int, from int64, limit int) []streaming.Message {
	p, out, size := st.partitions[n], []streaming.Message{}, 0
	for offset := from; offset < p.next() && len(out) < limit; offset++ {
		m := p.messages[offset-p.first]
		if size += len(m.key) + len(m.value); size > mostBytes && len(out) > 0 {
			break
		}
		out = append(out, streaming.Message{Stream: st.model.Name, Partition: lo.ToPtr(strconv.Itoa(n)), Key: m.key, Value: m.value, Offset: lo.ToPtr(offset), Timestamp: stamp(m.at)})
	}
	return out
}

func consumerCommit(s *Simulator, c *call) (*reply, error) {
	_, g, at, err := s.read(c)
	if err != nil {
		return nil, err
	}
	g.commit(at)
	at.Made = c.now
	return ok(streaming.Cursor{Value: lo.ToPtr(at.text())}), nil
}

func consumerHeartbeat(s *Simulator, c *call) (*reply, error) {
	_, _, at, err := s.read(c)
	if err != nil {
		return nil, err
	}
	at.Made = c.now
	return ok(streaming.Cursor{Value: lo.ToPtr(at.text())}), nil
}

func getGroup(s *Simulator, c *call) (*reply, error) {
	st, err := s.streamOf(c)
	if err != nil {
		return nil, err
	}
	g := st.groups[c.path("group")]
	if g == nil {
		return nil, notFound("consumer group %s", c.path("group"))
	}
	return ok(streaming.Group{StreamId: st.model.Id, GroupName: lo.ToPtr(c.path("group")), Reservations: g.reservations()}), nil
}
