package egress_test

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/gantry-engine/gantry/engine/egress"
)

const (
	public      = "93.184.216.34"
	otherPublic = "2606:2800:220:1::1"
	otherCall   = "[" + otherPublic + "]:80"
)

// names answers lookups from a script: the nth lookup of a name gets the nth answer, later ones the last.
type names map[string][]string

type resolver struct {
	names names
	fail  error

	mu    sync.Mutex
	count map[string]int
}

func newResolver(names names) *resolver { return &resolver{names: names, count: map[string]int{}} }

func (r *resolver) LookupNetIP(_ context.Context, _, host string) ([]netip.Addr, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.fail != nil {
		return nil, r.fail
	}
	host = strings.ToLower(host)
	script := r.names[host]
	if len(script) == 0 {
		return nil, &net.DNSError{Err: "no such host", Name: host, Server: "10.0.0.53:53", IsNotFound: true}
	}
	answer := script[min(r.count[host], len(script)-1)]
	r.count[host]++
	if answer == "NXDOMAIN" {
		return nil, &net.DNSError{Err: "no such host", Name: host, Server: "10.0.0.53:53", IsNotFound: true}
	}
	var addrs []netip.Addr
	for _, field := range strings.Fields(answer) {
		addrs = append(addrs, netip.MustParseAddr(field))
	}
	return addrs, nil
}

// calls records the addresses that were really dialled and connects each of them as to says.
type calls struct {
	mu   sync.Mutex
	list []string
	to   func(ctx context.Context, address string) (net.Conn, error)
}

func (c *calls) dial(ctx context.Context, _, address string) (net.Conn, error) {
	c.mu.Lock()
	c.list = append(c.list, address)
	c.mu.Unlock()
	if c.to != nil {
		return c.to(ctx, address)
	}
	near, far := net.Pipe()
	far.Close()
	return near, nil
}

func newPolicy(allow []netip.Prefix, names names) (*egress.Policy, *calls) {
	policy, called := egress.New(allow, egress.WithResolver(newResolver(names))), &calls{}
	policy.SetDial(called.dial)
	return policy, called
}

func dial(t *testing.T, policy *egress.Policy, address string) error {
	t.Helper()
	conn, err := policy.DialContext(t.Context(), "tcp", address)
	if err == nil {
		conn.Close()
	}
	return err
}

func TestDialContextJudgesTheResolvedAddresses(t *testing.T) {
	tests := map[string]struct {
		address, answer string
		want            error
		called          []string
	}{
		"public name":                    {"a.example:443", public, nil, []string{public + ":443"}},
		"first of several":               {"a.example:80", otherPublic + " " + public, nil, []string{otherCall}},
		"mapped answer":                  {"a.example:80", "::ffff:" + public, nil, []string{public + ":80"}},
		"public address":                 {public + ":22", "", nil, []string{public + ":22"}},
		"allowed address":                {"10.9.0.1:22", "", nil, []string{"10.9.0.1:22"}},
		"allowed name":                   {"a.example:22", "10.9.0.1", nil, []string{"10.9.0.1:22"}},
		"SEC-SSRF-02 mapped":             {"[::ffff:127.0.0.1]:80", "", egress.ErrRefused, nil},
		"SEC-SSRF-02 mapped answer":      {"a.example:80", "::ffff:a9fe:a9fe", egress.ErrRefused, nil},
		"SEC-SSRF-03 NAT64 answer":       {"a.example:80", "64:ff9b::7f00:1", egress.ErrRefused, nil},
		"SEC-SSRF-04 unspecified":        {"0.0.0.0:80", "", egress.ErrRefused, nil},
		"SEC-SSRF-04 short unspecified":  {"0:80", "0.0.0.0", egress.ErrRefused, nil},
		"SEC-SSRF-05 decimal":            {"2130706433:80", "127.0.0.1", egress.ErrRefused, nil},
		"SEC-SSRF-05 decimal, lying":     {"2130706433:80", public, egress.ErrRefused, nil},
		"SEC-SSRF-05 octal":              {"0177.0.0.1:80", "127.0.0.1", egress.ErrRefused, nil},
		"SEC-SSRF-05 hex":                {"0x7f.0.0.1:80", "127.0.0.1", egress.ErrRefused, nil},
		"SEC-SSRF-05 short":              {"127.1:80", "127.0.0.1", egress.ErrRefused, nil},
		"SEC-SSRF-05 dot":                {"127.0.0.1.:80", "127.0.0.1", egress.ErrRefused, nil},
		"SEC-SSRF-06 name with dot":      {"internal.:80", "10.0.0.1", egress.ErrRefused, nil},
		"SEC-SSRF-06 localhost with dot": {"localhost.:80", "127.0.0.1", egress.ErrRefused, nil},
		"SEC-SSRF-09 private last":       {"a.example:80", public + " 10.0.0.1", egress.ErrRefused, nil},
		"SEC-SSRF-09 private first":      {"a.example:80", "::1 " + public, egress.ErrRefused, nil},
		"SEC-SSRF-10 no answer":          {"a.example:80", "", egress.ErrRefused, nil},
		"SEC-SSRF-10 not found":          {"a.example:80", "NXDOMAIN", egress.ErrRefused, nil},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			host, _, _ := net.SplitHostPort(tt.address)
			policy, called := newPolicy(prefixes("10.9.0.0/24"), names{host: {tt.answer}})
			if err := dial(t, policy, tt.address); !errors.Is(err, tt.want) {
				t.Errorf("got %v, want %v", err, tt.want)
			}
			if !slices.Equal(called.list, tt.called) {
				t.Errorf("called %q, want %q", called.list, tt.called)
			}
		})
	}
}

func TestSecSSRF08RebindingBetweenLookupAndDial(t *testing.T) {
	policy, called := newPolicy(nil, names{"a.example": {public, "127.0.0.1"}})
	if err := dial(t, policy, "a.example:80"); err != nil {
		t.Fatal(err)
	}
	if err := dial(t, policy, "a.example:80"); !errors.Is(err, egress.ErrRefused) {
		t.Errorf("second dial: got %v, want ErrRefused", err)
	}
	if want := []string{public + ":80"}; !slices.Equal(called.list, want) {
		t.Errorf("called %q, want %q", called.list, want)
	}
}

func TestSecSSRF10NotFoundThenAnswer(t *testing.T) {
	policy, called := newPolicy(nil, names{"a.example": {"NXDOMAIN", "127.0.0.1"}})
	for range 2 {
		if err := dial(t, policy, "a.example:80"); !errors.Is(err, egress.ErrRefused) {
			t.Errorf("got %v, want ErrRefused", err)
		}
	}
	if len(called.list) != 0 {
		t.Errorf("called %q, want nothing", called.list)
	}
}

func TestSecSSRF18OneTextWhateverIsThere(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed.Close()
	policy, called := newPolicy(nil, names{"internal.example": {"10.0.0.1"}})
	addresses := []string{
		listener.Addr().String(), closed.Addr().String(), "10.255.255.1:9", "internal.example:80", "absent.example:80",
	}
	for _, address := range addresses {
		err := dial(t, policy, address)
		const want = "this server does not call private addresses; its operator can allow it with --egress-allow"
		if err == nil || err.Error() != want {
			t.Errorf("%s: got %v, want %q", address, err, want)
		}
	}
	if len(called.list) != 0 {
		t.Errorf("called %q, want nothing", called.list)
	}
}

func TestDialContextTriesTheNextAddress(t *testing.T) {
	policy, called := newPolicy(nil, names{"a.example": {otherPublic + " " + public}})
	down := errors.New("down")
	called.to = func(_ context.Context, address string) (net.Conn, error) {
		if address == public+":80" {
			near, _ := net.Pipe()
			return near, nil
		}
		return nil, down
	}
	if err := dial(t, policy, "a.example:80"); err != nil {
		t.Errorf("got %v, want a connection to the second address", err)
	}
	called.to = func(context.Context, string) (net.Conn, error) { return nil, down }
	if err := dial(t, policy, "a.example:80"); !errors.Is(err, down) {
		t.Errorf("got %v, want the first error", err)
	}
}

func TestDialContextLeavesTimeForTheNextAddress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		policy, called := newPolicy(nil, names{"a.example": {otherPublic + " " + public}})
		called.to = func(ctx context.Context, address string) (net.Conn, error) {
			if address == otherCall { // swallows packets
				<-ctx.Done()
				return nil, ctx.Err()
			}
			near, _ := net.Pipe()
			return near, ctx.Err()
		}
		if err := dial(t, policy, "a.example:80"); err != nil {
			t.Errorf("got %v, want a connection to the second address", err)
		}
	})
}

func TestDialContextRefusesOtherNetworksAndPorts(t *testing.T) {
	tests := [][2]string{
		{"udp", public + ":53"}, {"unix", "/run/x.sock"}, {"tcp4", public + ":80"}, {"tcp", public}, {"tcp", ":80"},
		{"tcp", public + ":http"}, {"tcp", public + ":0"}, {"tcp", public + ":65536"}, {"tcp", public + ":"},
	}
	policy, called := newPolicy(nil, nil)
	for _, tt := range tests {
		if _, err := policy.DialContext(t.Context(), tt[0], tt[1]); err == nil {
			t.Errorf("%q: got a connection, want an error", tt)
		}
	}
	if len(called.list) != 0 {
		t.Errorf("called %q, want nothing", called.list)
	}
}

func TestLookupFaultsAreTold(t *testing.T) {
	fault := &net.DNSError{Err: "server misbehaving", Server: "10.0.0.53:53", IsTemporary: true}
	answers := newResolver(nil)
	answers.fail = fault
	err := dial(t, egress.New(nil, egress.WithResolver(answers)), "a.example:80")
	if !errors.Is(err, egress.ErrUnresolved) || errors.Is(err, fault) {
		t.Errorf("restricted: got %v, want ErrUnresolved and nothing of the name server", err)
	}
	err = dial(t, egress.Unrestricted(egress.WithResolver(answers)), "a.example:80")
	if !errors.Is(err, egress.ErrUnresolved) || !errors.Is(err, fault) {
		t.Errorf("unrestricted: got %v, want ErrUnresolved with its cause", err)
	}
	err = dial(t, egress.Unrestricted(egress.WithResolver(newResolver(names{"a.example": {""}}))), "a.example:80")
	if !errors.Is(err, egress.ErrUnresolved) {
		t.Errorf("no address: got %v, want ErrUnresolved", err)
	}
}

func TestDialContextTellsWhyTheCallerStopped(t *testing.T) {
	canceled := errors.New("task was cancelled")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(canceled)
	answers := newResolver(nil)
	answers.fail = context.Canceled
	_, err := egress.New(nil, egress.WithResolver(answers)).DialContext(ctx, "tcp", "a.example:80")
	if !errors.Is(err, canceled) {
		t.Errorf("got %v, want %v", err, canceled)
	}
}

func TestUnrestrictedDialsLoopback(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	if err := dial(t, egress.Unrestricted(), listener.Addr().String()); err != nil {
		t.Error(err)
	}
}
