package feed_test

import (
	"compress/gzip"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	clocktesting "k8s.io/utils/clock/testing"
	crmetrics "sigs.k8s.io/controller-runtime/pkg/metrics"

	"github.com/karpenter-oke/karpenter-oke/pkg/providers/pricing"
	"github.com/karpenter-oke/karpenter-oke/pkg/providers/pricing/feed"
	"github.com/karpenter-oke/karpenter-oke/pkg/providers/pricing/pricelist"
	"github.com/karpenter-oke/karpenter-oke/pkg/providers/shape"
	"github.com/karpenter-oke/karpenter-oke/test/ocisim"
	"github.com/karpenter-oke/karpenter-oke/test/ocitest"
)

var (
	now = time.Unix(1_800_000_000, 0)
	// e4 costs 0.074 $/h with 2 OCPUs and 16 GB in the embedded list.
	e4 = &shape.Shape{Name: "VM.Standard.E4.Flex", Flexible: true, VCPUsPerOCPU: 2}
)

// dearer is the embedded list with an OCPU of E4 at 0.05 instead of 0.025.
func dearer(t *testing.T) []byte {
	t.Helper()
	head, tail, ok := strings.Cut(string(pricelist.Products()), `"partNumber":"B93113"`)
	require.True(t, ok)
	return []byte(head + `"partNumber":"B93113"` + strings.Replace(tail, `"value":0.025`, `"value":0.05`, 1))
}

// start makes a feed that reads from the handler.
func start(t *testing.T, handler http.HandlerFunc) (*feed.Feed, *pricing.DefaultProvider) {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return newFeed(t, server.URL+"/products/")
}

func newFeed(t *testing.T, url string) (*feed.Feed, *pricing.DefaultProvider) {
	t.Helper()
	prices, err := pricing.NewProvider(pricing.Settings{})
	require.NoError(t, err)
	f, err := feed.New(feed.Config{URL: url, Currency: "USD", Timeout: time.Minute}, prices, clocktesting.NewFakePassiveClock(now))
	require.NoError(t, err)
	return f, prices
}

func price(p *pricing.DefaultProvider) float64 {
	perHour, _ := p.OnDemand(e4, 2, 16, pricing.BaselineFull)
	return perHour
}

// gauge is the value of a metric without labels.
func gauge(t *testing.T, name string) float64 {
	t.Helper()
	families, err := crmetrics.Registry.Gather()
	require.NoError(t, err)
	for _, f := range families {
		if f.GetName() == name {
			return f.GetMetric()[0].GetGauge().GetValue()
		}
	}
	require.Fail(t, "there is no metric "+name)
	return 0
}

func TestANewListIsTakenOver(t *testing.T) {
	f, prices := start(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Get("currencyCode") != "USD" || r.Header.Get("Authorization") != "" {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		_, _ = w.Write(dearer(t))
	})
	require.InDelta(t, 0.074, price(prices), 1e-9)
	require.Zero(t, gauge(t, "karpenter_oke_pricing_last_refresh_timestamp_seconds"), "the embedded prices have no time")
	require.NoError(t, f.Refresh(t.Context()))
	require.InDelta(t, 0.124, price(prices), 1e-9)
	require.InDelta(t, float64(now.Unix()), gauge(t, "karpenter_oke_pricing_last_refresh_timestamp_seconds"), 0)
	require.InDelta(t, float64(prices.Generation()), gauge(t, "karpenter_oke_pricing_generation"), 0)

	generation := prices.Generation()
	require.NoError(t, f.Refresh(t.Context()))
	require.Equal(t, generation, prices.Generation(), "the same list again changes nothing")
}

func TestAnswersThatAreNoPriceListKeepTheOldPrices(t *testing.T) {
	list := pricelist.Products()
	for says, handler := range map[string]http.HandlerFunc{
		"a server error": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) },
		"throttling":     func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTooManyRequests) },
		"not there":      http.NotFound,
		"no content":     func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) },
		"part of the content": func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusPartialContent)
			_, _ = w.Write(dearer(t))
		},
		"not modified unasked": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNotModified) },
		"a good list with an error": func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusBadGateway)
			_, _ = w.Write(dearer(t))
		},
		"a login page":    func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("<html>Please log in</html>")) },
		"an empty answer": func(http.ResponseWriter, *http.Request) {},
		"an empty list":   func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(`{"items":[]}`)) },
		"half a list":     func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(list[:len(list)/2]) },
		"another currency": func(w http.ResponseWriter, _ *http.Request) {
			_, _ = w.Write([]byte(strings.ReplaceAll(string(list), `"USD"`, `"EUR"`)))
		},
		"a list that breaks off": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "1000000")
			_, _ = w.Write(list[:1000])
		},
		"compressed data that breaks off": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Encoding", "gzip")
			z := gzip.NewWriter(w)
			_, _ = z.Write(list[:len(list)/2])
			_ = z.Flush() // and no end
		},
		"compressed zeros without end": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Encoding", "gzip")
			z := gzip.NewWriter(w)
			zeros := make([]byte, 1<<20)
			for range 64 {
				_, _ = z.Write(zeros)
			}
			_ = z.Close()
		},
		"a redirect to itself": func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, r.URL.String(), http.StatusFound) },
		"a cut connection":     func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
	} {
		t.Run(says, func(t *testing.T) {
			f, prices := start(t, handler)
			generation := prices.Generation()
			require.ErrorContains(t, f.Refresh(t.Context()), "reading the price list of 127.0.0.1")
			require.Equal(t, generation, prices.Generation())
			require.InDelta(t, 0.074, price(prices), 1e-9)
			require.Zero(t, gauge(t, "karpenter_oke_pricing_last_refresh_timestamp_seconds"))
		})
	}
}

func TestAServerThatIsAwayOrSilentKeepsTheOldPrices(t *testing.T) {
	f, prices := newFeed(t, ocitest.Unserved())
	require.Error(t, f.Refresh(t.Context()))
	require.InDelta(t, 0.074, price(prices), 1e-9)

	release := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-release:
		case <-r.Context().Done():
		}
	}))
	t.Cleanup(server.Close)
	t.Cleanup(func() { close(release) })
	silent, err := feed.New(feed.Config{URL: server.URL, Currency: "USD", Timeout: 50 * time.Millisecond}, prices, clocktesting.NewFakePassiveClock(now))
	require.NoError(t, err)
	require.ErrorContains(t, silent.Refresh(t.Context()), "deadline exceeded")
}

func TestACompressedListIsRead(t *testing.T) {
	f, prices := start(t, func(w http.ResponseWriter, r *http.Request) {
		if !strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
			w.WriteHeader(http.StatusNotAcceptable)
			return
		}
		w.Header().Set("Content-Encoding", "gzip")
		z := gzip.NewWriter(w)
		_, _ = z.Write(dearer(t))
		_ = z.Close()
	})
	require.NoError(t, f.Refresh(t.Context()))
	require.InDelta(t, 0.124, price(prices), 1e-9)
}

func TestAnUnchangedListIsNotSentAgain(t *testing.T) {
	var full, spared atomic.Int32
	bad := atomic.Bool{}
	f, prices := start(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("ETag", `"edition-2"`)
		if bad.Load() {
			_, _ = w.Write([]byte("{}"))
			return
		}
		if r.Header.Get("If-None-Match") == `"edition-2"` {
			spared.Add(1)
			w.WriteHeader(http.StatusNotModified)
			return
		}
		full.Add(1)
		_, _ = w.Write(dearer(t))
	})
	bad.Store(true)
	require.Error(t, f.Refresh(t.Context()))
	bad.Store(false)
	require.NoError(t, f.Refresh(t.Context()), "the mark of a list that was refused is not remembered")
	require.NoError(t, f.Refresh(t.Context()))
	require.EqualValues(t, 1, full.Load())
	require.EqualValues(t, 1, spared.Load())
	require.InDelta(t, 0.124, price(prices), 1e-9)
}

func TestAMovedListIsFoundButNotOverAnInsecureWay(t *testing.T) {
	plain := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(dearer(t)) }))
	t.Cleanup(plain.Close)
	f, prices := start(t, func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, plain.URL, http.StatusMovedPermanently)
	})
	require.NoError(t, f.Refresh(t.Context()))
	require.InDelta(t, 0.124, price(prices), 1e-9)

	secure := httptest.NewTLSServer(http.RedirectHandler(plain.URL, http.StatusFound))
	t.Cleanup(secure.Close)
	request := httptest.NewRequest(http.MethodGet, secure.URL, http.NoBody)
	next := httptest.NewRequest(http.MethodGet, plain.URL, http.NoBody)
	require.ErrorContains(t, feed.CheckRedirect(next, []*http.Request{request}), "from https to http")
}

func TestTheSimulatedRegionServesPricesThatCanChange(t *testing.T) {
	region := ocitest.Start(t, ocisim.Options{})
	f, prices := newFeed(t, region.URL+ocisim.PriceListPath)
	require.NoError(t, f.Refresh(t.Context()))
	require.EqualValues(t, 1, prices.Generation(), "the simulator serves the embedded list")
	require.NoError(t, region.SetPrice("B93113", 0.05))
	require.ErrorContains(t, region.SetPrice("B0", 1), "no part B0")

	region.Fail(ocisim.Fault{Operation: "ListProducts", Kind: ocisim.ErrorAnswer, Times: 1, Status: 503, Code: "ServiceUnavailable", Message: "x"})
	require.ErrorContains(t, f.Refresh(t.Context()), "503")
	region.Fail(ocisim.Fault{Operation: "ListProducts", Kind: ocisim.CutAfter, Times: 1})
	_ = f.Refresh(t.Context()) // a connection that is cut before the answer may be asked again by net/http itself
	require.NoError(t, f.Refresh(t.Context()))
	require.InDelta(t, 0.124, price(prices), 1e-9)
	require.EqualValues(t, 2, prices.Generation())
}

func TestReadsAreCountedByOutcome(t *testing.T) {
	count := func(outcome string) float64 {
		families, err := crmetrics.Registry.Gather()
		require.NoError(t, err)
		for _, f := range families {
			if f.GetName() != "karpenter_oke_pricing_refreshes_total" {
				continue
			}
			for _, m := range f.GetMetric() {
				if m.GetLabel()[0].GetValue() == outcome {
					return m.GetCounter().GetValue()
				}
			}
		}
		return 0
	}
	list := dearer(t)
	var answer atomic.Pointer[[]byte]
	f, _ := start(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(*answer.Load()) })
	broken := []byte("{")
	for _, tc := range []struct {
		outcome string
		body    []byte
	}{{"changed", list}, {"unchanged", list}, {"failed", broken}} {
		before := count(tc.outcome)
		answer.Store(&tc.body)
		_ = f.Refresh(t.Context())
		require.InDelta(t, before+1, count(tc.outcome), 0, tc.outcome)
	}
}

func TestAConfigurationThatCannotWorkIsRefused(t *testing.T) {
	for want, config := range map[string]feed.Config{
		"is not the http or https URL": {URL: "apexapps.oracle.com", Timeout: time.Second},
		`"ftp://x/y" is not`:           {URL: "ftp://x/y", Timeout: time.Second},
		"must not contain credentials": {URL: "https://a:b@x/", Timeout: time.Second},
		"leaves no time":               {URL: feed.DefaultURL},
	} {
		require.ErrorContains(t, config.Validate(), want)
		_, err := feed.New(config, nil, nil)
		require.ErrorContains(t, err, want)
	}
	require.NoError(t, feed.Config{URL: feed.DefaultURL, Currency: "USD", Timeout: feed.DefaultTimeout}.Validate())
}
