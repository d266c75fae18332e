// Package feed reads Oracle's public price list over HTTP and gives it to the pricing provider.
//
// The list is public: requests carry no credentials and no signature, so the OCI SDK has no part in it. Whatever goes wrong on the way
// (no route, a proxy's error page, a truncated or an implausible answer), the prices at hand stay.
package feed

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/karpenter-oke/karpenter-oke/pkg/providers/pricing"
)

const (
	// DefaultURL is Oracle's price list API (documentation of OCI, "Getting List Prices"). Prices are the same in every region of a realm.
	DefaultURL = "https://apexapps.oracle.com/pls/apex/cetools/api/v1/products/"
	// DefaultTimeout bounds one read, from the look-up of the host name to the last byte.
	DefaultTimeout = 30 * time.Second

	// maxBody bounds the list after decompression. In one currency it has less than 1 MB.
	maxBody = 16 << 20
	// maxHeader bounds the answer's header, maxETag the mark in it that is sent back.
	maxHeader = 64 << 10
	maxETag   = 512
	// maxRedirects is enough for a moved host; a longer chain is a captive portal.
	maxRedirects = 3
	// shownChanges is how many changed parts a log line names.
	shownChanges = 5
)

// Prices takes price lists over; pricing.DefaultProvider does.
type Prices interface {
	Update(list []byte) (pricing.Update, error)
	Generation() uint64
}

// Config says where the list is.
type Config struct {
	// URL of the price list API.
	URL string
	// Currency that is asked for, such as USD.
	Currency string
	// Timeout of one read.
	Timeout time.Duration
}

// Validate says what is wrong with the configuration.
func (c Config) Validate() error {
	u, err := url.Parse(c.URL)
	if err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") {
		return fmt.Errorf("%q is not the http or https URL of a price list", c.URL)
	}
	if u.User != nil {
		return errors.New("the URL of the price list must not contain credentials: the list is public")
	}
	if c.Timeout <= 0 {
		return fmt.Errorf("a timeout of %s leaves no time to read the price list", c.Timeout)
	}
	return nil
}

// errNotModified says that the list is the one that was taken over last.
var errNotModified = errors.New("the price list has not changed")

// Feed reads the list when told to (Refresh).
type Feed struct {
	url     *url.URL
	timeout time.Duration
	prices  Prices
	http    *http.Client
	clock   clock.PassiveClock
	// etag is the mark of the list that was taken over last, empty when there was none.
	etag atomic.Pointer[string]
	// kept is what the log said last of parts that kept their old price.
	kept atomic.Pointer[string]
}

// New makes a feed; nothing is read yet. It honours HTTPS_PROXY and its like.
func New(config Config, prices Prices, clk clock.PassiveClock) (*Feed, error) {
	if err := config.Validate(); err != nil {
		return nil, err
	}
	u, err := url.Parse(config.URL)
	if err != nil {
		return nil, fmt.Errorf("reading the URL of the price list: %w", err)
	}
	query := u.Query()
	query.Set("currencyCode", config.Currency)
	u.RawQuery = query.Encode()
	// A connection of its own for each read: hours lie between two.
	transport := &http.Transport{Proxy: http.ProxyFromEnvironment, ForceAttemptHTTP2: true, DisableKeepAlives: true, MaxResponseHeaderBytes: maxHeader}
	f := &Feed{
		url: u, timeout: config.Timeout, prices: prices, clock: clk,
		http: &http.Client{Transport: transport, CheckRedirect: checkRedirect},
	}
	generation.Set(float64(prices.Generation()), nil)
	lastSuccess.Set(0, nil)
	return f, nil
}

// checkRedirect follows few redirects, and none from https to http: somebody on the way could make prices up.
func checkRedirect(next *http.Request, before []*http.Request) error {
	switch {
	case len(before) > maxRedirects:
		return fmt.Errorf("more than %d redirects", maxRedirects)
	case before[0].URL.Scheme == "https" && next.URL.Scheme != "https":
		return fmt.Errorf("a redirect from https to %s is not followed", next.URL.Scheme)
	}
	return nil
}

// Refresh reads the list once and hands it to the prices. An error means that the old prices stay.
func (f *Feed) Refresh(ctx context.Context) error {
	update, err := f.refresh(ctx)
	same := errors.Is(err, errNotModified)
	outcome := outcomeUnchanged
	switch {
	case same:
		err = nil
	case err != nil:
		outcome = outcomeFailed
	case len(update.Changes) > 0:
		outcome = outcomeChanged
	}
	reads.Inc(map[string]string{labelOutcome: outcome})
	generation.Set(float64(f.prices.Generation()), nil)
	if err != nil {
		return fmt.Errorf("reading the price list of %s: %w", f.url.Host, err)
	}
	lastSuccess.Set(float64(f.clock.Now().Unix()), nil)
	if n := len(update.Changes); n > 0 {
		log.FromContext(ctx).Info("prices changed", "parts", n, "for-example", examples(update.Changes), "generation", f.prices.Generation())
	}
	if !same {
		f.reportKept(ctx, update.Kept)
	}
	return nil
}

func (f *Feed) refresh(ctx context.Context) (pricing.Update, error) {
	ctx, cancel := context.WithTimeout(ctx, f.timeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, f.url.String(), nil)
	if err != nil {
		return pricing.Update{}, fmt.Errorf("making the request: %w", err)
	}
	request.Header.Set("Accept", "application/json")
	request.Header.Set("User-Agent", "karpenter-oke")
	known := f.etag.Load()
	if known != nil {
		request.Header.Set("If-None-Match", *known)
	}
	answer, err := f.http.Do(request)
	if err != nil {
		return pricing.Update{}, err
	}
	defer func() { _ = answer.Body.Close() }()
	switch {
	case answer.StatusCode == http.StatusNotModified && known != nil:
		return pricing.Update{}, errNotModified
	case answer.StatusCode != http.StatusOK:
		return pricing.Update{}, fmt.Errorf("the answer is %d %s", answer.StatusCode, http.StatusText(answer.StatusCode))
	}
	list, err := io.ReadAll(io.LimitReader(answer.Body, maxBody+1))
	if err != nil {
		return pricing.Update{}, fmt.Errorf("the answer broke off after %d bytes: %w", len(list), err)
	}
	if len(list) > maxBody {
		return pricing.Update{}, fmt.Errorf("the answer is larger than %d MiB", maxBody>>20)
	}
	update, err := f.prices.Update(list)
	if err != nil {
		return pricing.Update{}, err
	}
	f.remember(answer.Header.Get("ETag"))
	return update, nil
}

// reportKept says in the log, once for each state, which parts kept their old price.
func (f *Feed) reportKept(ctx context.Context, kept []string) {
	keptParts.Set(float64(len(kept)), nil)
	text := strings.Join(kept, ", ")
	if said := f.kept.Swap(&text); text != "" && (said == nil || *said != text) {
		log.FromContext(ctx).Info("the price list is taken over but for some parts, which keep their prices", "why", text)
	}
}

// remember keeps the mark of the list that the prices have now. A list that was refused is read in full again.
func (f *Feed) remember(etag string) {
	if etag == "" || len(etag) > maxETag {
		f.etag.Store(nil)
		return
	}
	f.etag.Store(&etag)
}

func examples(changes []pricing.Change) string {
	var text []string
	for _, c := range changes[:min(len(changes), shownChanges)] {
		text = append(text, fmt.Sprintf("%s %v -> %v", c.Part, c.From, c.To))
	}
	return strings.Join(text, ", ")
}
