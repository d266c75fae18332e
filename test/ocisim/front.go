package ocisim

import (
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"strings"
	"sync"
)

// eitherListener serves TLS and plain HTTP (in which an HTTPS proxy is asked for a tunnel) on one port.
type eitherListener struct {
	net.Listener
	config *tls.Config
}

// Accept returns a connection whose protocol is still open.
func (l *eitherListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &eitherConn{Conn: conn, config: l.config}, nil
}

// eitherConn decides with the first byte the client sends whether it speaks TLS, so that accepting never waits for a client.
type eitherConn struct {
	net.Conn
	config *tls.Config
	once   sync.Once
	err    error
	talk   net.Conn
}

const tlsHandshakeRecord = 0x16

func (c *eitherConn) decide() error {
	c.once.Do(func() {
		first := make([]byte, 1)
		if _, c.err = c.Conn.Read(first); c.err != nil {
			return
		}
		c.talk = &prefixedConn{Conn: c.Conn, prefix: first}
		if first[0] == tlsHandshakeRecord {
			c.talk = tls.Server(c.talk, c.config)
		}
	})
	return c.err
}

// Read reads what the client says, decrypted where it speaks TLS.
func (c *eitherConn) Read(b []byte) (int, error) {
	if err := c.decide(); err != nil {
		return 0, err
	}
	return c.talk.Read(b)
}

// Write answers in the protocol the client has chosen.
func (c *eitherConn) Write(b []byte) (int, error) {
	if err := c.decide(); err != nil {
		return 0, err
	}
	return c.talk.Write(b)
}

// prefixedConn gives back bytes that have been read already.
type prefixedConn struct {
	net.Conn
	prefix []byte
}

// Read returns the bytes already read first.
func (c *prefixedConn) Read(b []byte) (int, error) {
	if len(c.prefix) == 0 {
		return c.Conn.Read(b)
	}
	n := copy(b, c.prefix)
	c.prefix = c.prefix[n:]
	return n, nil
}

// tunnels turns CONNECT requests into connections of this very server: a client that takes it for its HTTPS proxy reaches the simulator under the
// host name of any OCI service. Requests for other hosts are refused; nothing is ever passed on.
type tunnels struct {
	inner  http.Handler
	config *tls.Config
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
	addr   net.Addr
}

func newTunnels(inner http.Handler, config *tls.Config, addr net.Addr) *tunnels {
	return &tunnels{inner: inner, config: config, addr: addr, conns: make(chan net.Conn), closed: make(chan struct{})}
}

// ServeHTTP opens tunnels and passes every other request on.
func (t *tunnels) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodConnect {
		t.inner.ServeHTTP(w, r)
		return
	}
	host, _, err := net.SplitHostPort(r.Host)
	if err != nil || !ociHost(host) {
		http.Error(w, "this proxy is a simulated OCI region; it leads to no other host than Oracle's", http.StatusForbidden)
		return
	}
	hijacker, can := w.(http.Hijacker)
	if !can {
		http.Error(w, "tunnels need HTTP/1.1", http.StatusHTTPVersionNotSupported)
		return
	}
	conn, buffered, err := hijacker.Hijack()
	if err != nil {
		http.Error(w, "no tunnel: "+err.Error(), http.StatusInternalServerError)
		return
	}
	early := make([]byte, buffered.Reader.Buffered())
	if _, err := buffered.Read(early); err == nil || len(early) == 0 {
		_, err = conn.Write([]byte("HTTP/1.1 200 Connection Established\r\n\r\n"))
		if err == nil {
			t.hand(&eitherConn{Conn: &prefixedConn{Conn: conn, prefix: early}, config: t.config})
			return
		}
	}
	_ = conn.Close()
}

func (t *tunnels) hand(conn net.Conn) {
	select {
	case t.conns <- conn:
	case <-t.closed:
		_ = conn.Close()
	}
}

// Accept returns the next tunnel: with Close and Addr, the tunnels are a listener for the same HTTP server.
func (t *tunnels) Accept() (net.Conn, error) {
	select {
	case conn := <-t.conns:
		return conn, nil
	case <-t.closed:
		return nil, errors.New("the server has been closed")
	}
}

// Close makes Accept fail from then on.
func (t *tunnels) Close() error {
	t.once.Do(func() { close(t.closed) })
	return nil
}

// Addr is the server's address.
func (t *tunnels) Addr() net.Addr { return t.addr }

// ociHost says whether a host name belongs to Oracle's cloud, in whatever realm (oraclecloud.com, oraclegovcloud.uk, oraclecloud26.com, ...).
func ociHost(host string) bool {
	labels := strings.Split(strings.ToLower(host), ".")
	if len(labels) < 3 {
		return false
	}
	domain := labels[len(labels)-2]
	return strings.HasPrefix(domain, "oracle") || strings.HasPrefix(domain, "oci")
}
