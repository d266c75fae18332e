package ocisim

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/karpenter-oke/karpenter-oke/test/ocisim/authority"
)

// Server is a running simulator.
type Server struct {
	*Simulator
	// URL is where it listens: http://127.0.0.1:41234, or https://... with TLS. Clients of the SDK take it as their Host.
	URL string
	// CAFile is the PEM file of the CA that clients have to trust; empty without TLS.
	CAFile string

	cancel context.CancelFunc
	done   sync.WaitGroup
	http   *http.Server
}

// shutdownGrace is how long requests under way may take to end when the server stops.
const shutdownGrace = 2 * time.Second

// Start makes a simulator and serves it on the address ("127.0.0.1:0" picks a free port) until ctx ends or Close is called. It fails when the options or
// the address cannot be used.
func Start(ctx context.Context, o Options, listen string) (*Server, error) {
	s, err := New(o)
	if err != nil {
		return nil, err
	}
	var ca *authority.Authority
	if o.TLS != nil {
		if ca, err = authority.Open(o.TLS.Dir); err != nil {
			return nil, err
		}
	}
	listener, err := net.Listen("tcp", listen)
	if err != nil {
		return nil, fmt.Errorf("listening on %s: %w", listen, err)
	}
	server := &Server{Simulator: s, URL: "http://" + listener.Addr().String()}
	server.http = &http.Server{Handler: s, ReadHeaderTimeout: 10 * time.Second, ErrorLog: log.New(io.Discard, "", 0)}
	listeners := []net.Listener{listener}
	if ca != nil {
		server.URL, server.CAFile = "https://"+listener.Addr().String(), ca.File
		doors := newTunnels(s, ca.TLSConfig(), listener.Addr())
		server.http.Handler = doors
		listeners = []net.Listener{&eitherListener{Listener: listener, config: ca.TLSConfig()}, doors}
	}
	ctx, server.cancel = context.WithCancel(ctx)
	server.spawn(func() { _ = s.Run(ctx) })
	for _, l := range listeners {
		server.spawn(func() { _ = server.http.Serve(l) })
	}
	server.spawn(func() {
		<-ctx.Done()
		server.shutdown()
	})
	return server, nil
}

func (s *Server) spawn(work func()) {
	s.done.Add(1)
	go func() {
		defer s.done.Done()
		work()
	}()
}

func (s *Server) shutdown() {
	ctx, cancel := context.WithTimeout(context.Background(), shutdownGrace)
	defer cancel()
	if s.http.Shutdown(ctx) != nil {
		_ = s.http.Close()
	}
}

// Close stops the server and waits until everything it started has ended. It may be called more than once.
func (s *Server) Close() error {
	s.cancel()
	s.done.Wait()
	return nil
}

// Environment returns the settings that send OCI clients on this machine to a server with TLS: the Go and Python SDKs, the OCI CLI and Terraform's OCI
// provider. Every service of every region is reached through the server as an HTTPS proxy, so no host name has to resolve. Without TLS it is empty.
func (s *Server) Environment() map[string]string {
	if s.CAFile == "" {
		return map[string]string{}
	}
	proxy := "http://" + strings.TrimPrefix(s.URL, "https://")
	direct := "localhost,127.0.0.1,::1,.svc,.cluster.local"
	w := s.World()
	region, err := json.Marshal(map[string]string{"realmKey": "oc1", "realmDomainComponent": "oraclecloud.com", "regionKey": w.RegionKey, "regionIdentifier": w.Region})
	if err != nil {
		region = nil // four texts always marshal
	}
	return map[string]string{"HTTPS_PROXY": proxy, "https_proxy": proxy, "NO_PROXY": direct, "no_proxy": direct, "OCI_DEFAULT_CERTS_PATH": s.CAFile,
		"OCI_CLI_CERT_BUNDLE": s.CAFile, "REQUESTS_CA_BUNDLE": s.CAFile, "OCI_REGION_METADATA": string(region)}
}
