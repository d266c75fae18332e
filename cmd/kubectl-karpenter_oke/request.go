package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/karpenter-oke/karpenter-oke/pkg/inspect"
)

// maxAnswer bounds what is read of an answer.
const maxAnswer = 64 << 20

// unreachable is the error of a request that got no answer.
type unreachable struct{ err error }

func (e *unreachable) Error() string { return e.err.Error() }
func (e *unreachable) Unwrap() error { return e.err }

func isUnreachable(err error) bool {
	var u *unreachable
	return errors.As(err, &u)
}

// request asks the controller at a base URL. An answer that is a Problem becomes an error that says it.
func request(ctx context.Context, client *http.Client, base, method, path string, query url.Values, body []byte) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, askWithin)
	defer cancel()
	target := base + path
	if len(query) > 0 {
		target += "?" + query.Encode()
	}
	req, err := http.NewRequestWithContext(ctx, method, target, bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("asking the controller: %w", err)
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := client.Do(req)
	if err != nil {
		return nil, &unreachable{err}
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return nil, &unreachable{err}
	}
	if resp.StatusCode == http.StatusOK {
		return text, nil
	}
	var problem inspect.Problem
	if err := json.Unmarshal(text, &problem); err != nil || problem.Error == "" {
		return nil, fmt.Errorf("what answers at %s is no karpenter-oke of this plugin's version: %s", base, resp.Status)
	}
	if len(problem.Known) > 0 {
		return nil, fmt.Errorf("%s; there are: %s", problem.Error, strings.Join(problem.Known, ", "))
	}
	if resp.StatusCode == http.StatusNotFound {
		return nil, fmt.Errorf("%s, nor any other", problem.Error)
	}
	return nil, errors.New(problem.Error)
}
