package ocisim

import (
	"encoding/base64"
	"strconv"
	"strings"
)

// list answers the page of items that the request asks for, as a bare array. key identifies an item; a page starts behind the last item of the page
// before, so items that come or go between two pages neither repeat nor hide others.
func list[T any](c *call, items []T, key func(T) string) (*reply, error) {
	return listAs(c, items, key, func(item T) T { return item })
}

// listAs is list for items that are rendered only once they are known to be on the page.
func listAs[T, R any](c *call, items []T, key func(T) string, render func(T) R) (*reply, error) {
	page, next, err := cutPage(c, items, key)
	if err != nil {
		return nil, err
	}
	out := make([]R, 0, len(page))
	for _, item := range page {
		out = append(out, render(item))
	}
	rep := ok(out)
	if next != "" {
		rep.with("opc-next-page", next)
	}
	return rep, nil
}

// listItems is list for the services that wrap the array as {"items": [...]}.
func listItems[T any](c *call, items []T, key func(T) string) (*reply, error) {
	rep, err := list(c, items, key)
	if err != nil {
		return nil, err
	}
	rep.body = map[string]any{"items": rep.body}
	return rep, nil
}

func cutPage[T any](c *call, items []T, key func(T) string) (page []T, next string, err error) {
	size := c.pageSize
	if c.query.Has("limit") {
		limit, err := strconv.Atoi(c.query.Get("limit"))
		if err != nil || limit < 1 {
			return nil, "", invalid("limit must be a positive whole number")
		}
		size = min(size, limit)
	}
	start := 0
	if token := c.query.Get("page"); token != "" {
		if start, err = startOf(token, items, key); err != nil {
			return nil, "", err
		}
	}
	end := min(start+size, len(items))
	page = items[start:end]
	if end < len(items) {
		next = base64.RawURLEncoding.EncodeToString([]byte(strconv.Itoa(end) + "|" + key(items[end-1])))
	}
	return page, next, nil
}

// startOf finds where the page named by the token starts: behind the item the token names, or at the remembered position when that item has gone.
func startOf[T any](token string, items []T, key func(T) string) (int, error) {
	raw, err := base64.RawURLEncoding.DecodeString(token)
	position, last, found := strings.Cut(string(raw), "|")
	offset, parseErr := strconv.Atoi(position)
	if err != nil || !found || parseErr != nil || offset < 1 {
		return 0, invalid("page token %q is not valid", token)
	}
	if offset <= len(items) && key(items[offset-1]) == last {
		return offset, nil
	}
	for i, item := range items {
		if key(item) == last {
			return i + 1, nil
		}
	}
	return min(offset, len(items)), nil
}
