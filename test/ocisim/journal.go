package ocisim

import (
	"maps"
	"sync"
	"time"
)

// Entry is one request as the journal remembers it.
type Entry struct {
	Seq        uint64        `json:"seq"` // 1 for the first request, without gaps
	Time       time.Time     `json:"time"`
	Operation  string        `json:"operation"` // LaunchInstance, ...; "Unknown" for a path that is no operation
	Method     string        `json:"method"`
	Path       string        `json:"path"`
	Query      string        `json:"query,omitempty"`
	Status     int           `json:"status"` // 0 when the connection was cut
	Code       string        `json:"code,omitempty"`
	RequestID  string        `json:"requestId"`
	RetryToken string        `json:"retryToken,omitempty"`
	UserAgent  string        `json:"userAgent,omitempty"`
	Retry      string        `json:"retry,omitempty"` // opc-client-retries as sent
	FaultID    string        `json:"faultId,omitempty"`
	Duration   time.Duration `json:"durationNanos"`
}

// Journal counts every request by operation and remembers the latest ones. Safe for concurrent use.
type Journal struct {
	mu     sync.Mutex
	size   int
	seq    uint64
	ring   []Entry
	counts map[string]int
	errors map[string]int
}

func newJournal(size int) *Journal {
	return &Journal{size: size, counts: map[string]int{}, errors: map[string]int{}}
}

func (j *Journal) add(e Entry) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.seq++
	e.Seq = j.seq
	j.counts[e.Operation]++
	if e.Status == 0 || e.Status >= 400 {
		j.errors[e.Operation]++
	}
	if len(j.ring) == j.size {
		j.ring = append(j.ring[:0], j.ring[max(1, j.size/10):]...)
	}
	j.ring = append(j.ring, e)
}

// Counts returns how many requests each operation has had since the start or the last Reset, failed ones included.
func (j *Journal) Counts() map[string]int {
	j.mu.Lock()
	defer j.mu.Unlock()
	return maps.Clone(j.counts)
}

// Errors returns how many of the requests of each operation were answered with a status of 400 or more, or cut.
func (j *Journal) Errors() map[string]int {
	j.mu.Lock()
	defer j.mu.Unlock()
	return maps.Clone(j.errors)
}

// Entries returns the remembered requests with a sequence number above since, oldest first. 0 asks for all of them.
func (j *Journal) Entries(since uint64) []Entry {
	j.mu.Lock()
	defer j.mu.Unlock()
	var out []Entry
	for _, e := range j.ring {
		if e.Seq > since {
			out = append(out, e)
		}
	}
	return out
}

// Reset forgets requests and counts. Sequence numbers go on, so a reader that pages by them misses nothing.
func (j *Journal) Reset() {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.ring, j.counts, j.errors = nil, map[string]int{}, map[string]int{}
}
