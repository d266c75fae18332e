package inspect

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/log"
)

const (
	// maxBody bounds what is read of a request: the API server keeps objects below 1.5 MiB.
	maxBody = 2 << 20
	// atOnce bounds the answers that are made at the same time, so that asking never takes memory from scheduling.
	atOnce = 4
	// answerWithin bounds the making of one answer.
	answerWithin = 20 * time.Second
)

// Handler serves the answers under Root. base carries the controller's options and logger, which core's functions expect in a context.
func (i *Inspector) Handler(base context.Context) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+TypesPath, i.serve(func(ctx context.Context, r *http.Request) (any, error) {
		return i.Types(ctx, r.URL.Query().Get(NodePoolParameter))
	}))
	mux.HandleFunc("POST "+ExplainPath, i.serve(func(ctx context.Context, r *http.Request) (any, error) {
		pod, err := readPod(r)
		if err != nil {
			return nil, err
		}
		return i.Explain(ctx, pod)
	}))
	mux.HandleFunc("GET "+LayersPath, i.serve(func(ctx context.Context, _ *http.Request) (any, error) { return i.Layers(ctx) }))
	slots := make(chan struct{}, atOnce)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		select {
		case slots <- struct{}{}:
			defer func() { <-slots }()
		default:
			answer(base, w, http.StatusTooManyRequests, Problem{Error: "the controller answers too many questions at once; try again"})
			return
		}
		ctx, cancel := context.WithTimeout(base, answerWithin)
		defer cancel()
		defer context.AfterFunc(r.Context(), cancel)()
		mux.ServeHTTP(w, r.WithContext(ctx))
	})
}

// badRequest is an error of who asks.
type badRequest struct{ err error }

func (e *badRequest) Error() string { return e.err.Error() }
func (e *badRequest) Unwrap() error { return e.err }

func readPod(r *http.Request) (*corev1.Pod, error) {
	body, err := io.ReadAll(http.MaxBytesReader(nil, r.Body, maxBody))
	if err != nil {
		return nil, &badRequest{fmt.Errorf("reading the pod: %w", err)}
	}
	pod := &corev1.Pod{}
	if err := json.Unmarshal(body, pod); err != nil {
		return nil, &badRequest{fmt.Errorf("reading the pod: %w", err)}
	}
	if pod.Name == "" || pod.Namespace == "" || len(pod.Spec.Containers) == 0 {
		return nil, &badRequest{errors.New("the request holds no pod with name, namespace and containers")}
	}
	return pod, nil
}

// serve turns a function into a handler. A replica that does not lead does not answer: it has launched nothing, so all would look
// available.
func (i *Inspector) serve(find func(context.Context, *http.Request) (any, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		ctx := r.Context()
		select {
		case <-i.Elected:
		default:
			answer(ctx, w, http.StatusServiceUnavailable, Problem{Error: "this replica of the controller does not lead; ask the one that does"})
			return
		}
		result, err := find(ctx, r)
		var unknown *unknownName
		var bad *badRequest
		switch {
		case err == nil:
			answer(ctx, w, http.StatusOK, result)
		case errors.As(err, &unknown):
			answer(ctx, w, http.StatusNotFound, Problem{Error: err.Error(), Known: unknown.known})
		case errors.As(err, &bad):
			answer(ctx, w, http.StatusBadRequest, Problem{Error: err.Error()})
		default:
			log.FromContext(ctx).Error(err, "answering a question", "path", r.URL.Path)
			answer(ctx, w, http.StatusInternalServerError, Problem{Error: err.Error()})
		}
	}
}

func answer(ctx context.Context, w http.ResponseWriter, status int, body any) {
	text, err := json.Marshal(body)
	if err != nil {
		log.FromContext(ctx).Error(err, "encoding an answer")
		status, text = http.StatusInternalServerError, []byte(`{"error":"the answer can not be written as JSON"}`)
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(append(text, '\n')) // who asks may have gone
}
