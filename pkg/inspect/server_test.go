package inspect

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func get(t *testing.T, h http.Handler, method, path, body string) (int, Problem) {
	t.Helper()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(method, path, strings.NewReader(body)))
	var p Problem
	if strings.HasPrefix(w.Body.String(), "{") {
		require.NoError(t, json.Unmarshal(w.Body.Bytes(), &p))
	}
	return w.Code, p
}

func TestTheServerAnswersAndSaysWhatIsWrong(t *testing.T) {
	w := newWorld(t, nodePool("p"), readyClass())
	h := w.Handler(t.Context())
	whole, err := json.Marshal(pod("x", list("cpu", "1")))
	require.NoError(t, err)
	for says, c := range map[string]struct {
		method, path, body string
		code               int
		want               string
	}{
		"types":                {"GET", TypesPath + "?nodepool=p", "", 200, ""},
		"layers":               {"GET", LayersPath, "", 200, ""},
		"explain":              {"POST", ExplainPath, string(whole), 200, ""},
		"an unknown NodePool":  {"GET", TypesPath + "?nodepool=q", "", 404, `there is no NodePool "q"`},
		"no pod":               {"POST", ExplainPath, "{}", 400, "no pod with name"},
		"no JSON":              {"POST", ExplainPath, "pod", 400, "reading the pod"},
		"too large a pod":      {"POST", ExplainPath, strings.Repeat(" ", maxBody) + "{}", 400, "too large"},
		"a method that writes": {"PUT", TypesPath, "", 405, ""},
		"another path":         {"GET", Root + "secrets", "", 404, ""},
	} {
		t.Run(says, func(t *testing.T) {
			code, p := get(t, h, c.method, c.path, c.body)
			require.Equal(t, c.code, code)
			require.Contains(t, p.Error, c.want)
		})
	}
}

func TestAReplicaThatDoesNotLeadDoesNotAnswer(t *testing.T) {
	w := newWorld(t, nodePool("p"))
	w.Elected = make(chan struct{})
	code, p := get(t, w.Handler(t.Context()), "GET", LayersPath, "")
	require.Equal(t, http.StatusServiceUnavailable, code)
	require.Contains(t, p.Error, "does not lead")
}

// slowBody is read to its end only after release.
type slowBody struct {
	started chan<- struct{}
	release <-chan struct{}
}

func (b slowBody) Read([]byte) (int, error) {
	b.started <- struct{}{}
	<-b.release
	return 0, http.ErrBodyReadAfterClose
}

func TestMoreQuestionsThanSlotsAreTurnedAwayAndSlotsComeBack(t *testing.T) {
	h := newWorld(t).Handler(t.Context())
	started, release, done := make(chan struct{}), make(chan struct{}), make(chan struct{})
	for range atOnce {
		go func() {
			h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodPost, ExplainPath, slowBody{started, release}))
			done <- struct{}{}
		}()
		<-started
	}
	code, p := get(t, h, "GET", LayersPath, "")
	require.Equal(t, http.StatusTooManyRequests, code)
	require.Contains(t, p.Error, "try again")
	close(release)
	for range atOnce {
		<-done
	}
	code, _ = get(t, h, "GET", LayersPath, "")
	require.Equal(t, http.StatusOK, code)
}
