package sftp

import (
	"context"
	"errors"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/pkg/sftp"
	"golang.org/x/crypto/ssh"

	"github.com/gantry-engine/gantry/exporters"
)

const loginTime = 30 * time.Second

// server is one SFTP server as one user, with the connections to it that nobody uses at the moment.
type server struct {
	env     exporters.Env
	place   Place
	pin     pin
	methods []ssh.AuthMethod
	address string

	mu     sync.Mutex
	offers [][]string
	idle   []*session
}

func newServer(env exporters.Env, place Place) (*server, error) {
	pin, err := place.pinned()
	if err != nil {
		return nil, err
	}
	methods, err := place.methods()
	if err != nil {
		return nil, err
	}
	host := strings.Trim(strings.TrimSpace(place.Host), "[]")
	return &server{env: env, place: place, pin: pin, methods: methods, offers: pin.offers(place.Legacy),
		address: net.JoinHostPort(host, strconv.Itoa(place.Port))}, nil
}

// session is one connection. One delivery uses it at a time, so that ending the delivery can end the connection.
type session struct {
	*sftp.Client
	conn ssh.Conn
	over chan struct{} // closed when the connection is
	key  string        // the server's fingerprint
	home string        // the login folder; empty if the server does not say
}

func (s *session) close() {
	s.conn.Close()
	s.Client.Close()
}

// lives reports whether the connection is not known to be broken.
func (s *session) lives() bool {
	select {
	case <-s.over:
		return false
	default:
		return true
	}
}

// with calls use with a connection, which is closed when ctx ends, and kept for the next call unless use fails.
func (s *server) with(ctx context.Context, use func(*session) error) error {
	c, err := s.take(ctx)
	if err != nil {
		return err
	}
	stop := context.AfterFunc(ctx, c.close)
	err = use(c)
	if !stop() || err != nil {
		c.close()
		return err
	}
	s.put(c)
	return nil
}

func (s *server) take(ctx context.Context) (*session, error) {
	for {
		s.mu.Lock()
		n := len(s.idle)
		if n == 0 {
			s.mu.Unlock()
			return s.connect(ctx)
		}
		c := s.idle[n-1]
		s.idle = s.idle[:n-1]
		s.mu.Unlock()
		if c.lives() {
			return c, nil
		}
		c.close() // broken while nobody used it
	}
}

func (s *server) put(c *session) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.idle = append(s.idle, c)
}

// Close closes the connections.
func (s *server) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.idle {
		c.close()
	}
	s.idle = nil
	return nil
}

// connect logs in. Where only the fingerprint of the server's key is known, its keys are looked at one after another.
func (s *server) connect(ctx context.Context) (*session, error) {
	offers, err := s.recall(ctx)
	if err != nil {
		return nil, err
	}
	var first error
	for _, algorithms := range offers {
		c, err := s.login(ctx, algorithms)
		if err == nil {
			s.mu.Lock()
			s.offers = [][]string{algorithms}
			s.mu.Unlock()
			return c, nil
		}
		var other *otherKeyError
		var none *ssh.AlgorithmNegotiationError
		if !errors.As(err, &other) && !errors.As(err, &none) {
			return nil, s.loginFault(ctx, err)
		}
		if first == nil || errors.As(err, &other) {
			first = err
		}
	}
	return nil, s.loginFault(ctx, first)
}

// otherKeyError says that the server has another key than it should have.
type otherKeyError struct{ got, want string }

func (e *otherKeyError) Error() string { return "host key " + e.got + ", want " + e.want }

func (s *server) login(ctx context.Context, algorithms []string) (*session, error) {
	ctx, cancel := context.WithTimeout(ctx, loginTime)
	defer cancel()
	conn, err := s.env.Dial(ctx, "tcp", s.address)
	if err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	c := &session{}
	config := s.config(algorithms)
	config.HostKeyCallback = func(_ string, _ net.Addr, key ssh.PublicKey) error {
		c.key = ssh.FingerprintSHA256(key)
		return s.judge(ctx, key)
	}
	inner, channels, requests, err := ssh.NewClientConn(conn, s.address, config)
	if err != nil {
		conn.Close()
		return nil, errors.Join(err, ctx.Err())
	}
	client := ssh.NewClient(inner, channels, requests)
	c.conn, c.over = client, make(chan struct{})
	go func() { _ = client.Wait(); close(c.over) }() // ends with the connection
	if c.Client, err = sftp.NewClient(client); err != nil {
		client.Close()
		return nil, errors.Join(err, ctx.Err())
	}
	if home, err := c.RealPath("."); err == nil {
		c.home = home
	}
	return c, nil
}

func (s *server) config(algorithms []string) *ssh.ClientConfig {
	config := &ssh.ClientConfig{User: s.place.Username, Auth: s.methods, HostKeyAlgorithms: algorithms}
	if s.place.Legacy {
		safe, old := ssh.SupportedAlgorithms(), ssh.InsecureAlgorithms()
		config.KeyExchanges = slices.Concat(safe.KeyExchanges, old.KeyExchanges)
		config.Ciphers = slices.Concat(safe.Ciphers, old.Ciphers)
		config.MACs = slices.Concat(safe.MACs, old.MACs)
	}
	return config
}
