// Package egress says who may be called: one policy, one dialler, one http.Client for everything that a task or a
// webhook calls. It judges addresses, never spellings, and lets through public unicast addresses and what the
// operator allowed.
package egress

import (
	"context"
	"errors"
	"net"
	"net/netip"

	"code.dny.dev/ssrf"
)

// What a Policy refuses with. The texts are meant for persons, say nothing about the network inside, and are found
// with errors.Is however the error was wrapped.
var (
	// ErrRefused is the one answer for every address that is not public and not allowed, and for every name that
	// has no address or has such an address among its answers. It comes before any connection.
	ErrRefused = errors.New("this server does not call private addresses; its operator can allow it with --egress-allow")

	// ErrUnresolved means that the lookup itself failed, by time-out or a fault of the name server: trying later
	// may help.
	ErrUnresolved = errors.New("the host name could not be looked up")

	// ErrURL means that the URL is not one of scheme http or https with a host and, if it has one, a valid port.
	ErrURL = errors.New("only http and https URLs with a host can be called")

	// ErrRedirects ends a chain of more than ten redirects, and one that comes back to where it was.
	ErrRedirects = errors.New("the URL redirects in a loop or more than 10 times")

	// ErrDowngrade ends a chain that leads from https to http.
	ErrDowngrade = errors.New("the URL redirects from https to http, which is refused")
)

// Resolver looks up the addresses of a name; *net.Resolver is one. Network is always "ip".
type Resolver interface {
	LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error)
}

// Policy decides which addresses may be called. It is immutable and safe for concurrent use. The zero value is not
// usable: a Policy comes from New or Unrestricted.
type Policy struct {
	judge    func(netip.Addr) error // nil when everything may be called
	resolver Resolver
	dial     func(ctx context.Context, network, address string) (net.Conn, error)
}

// Option changes a Policy while it is built.
type Option func(*Policy)

// WithResolver makes the policy look names up with r in place of the machine's resolver.
func WithResolver(r Resolver) Option {
	return func(p *Policy) { p.resolver = r }
}

// New returns the policy of a server: public unicast addresses and the prefixes in allow may be called, nothing else.
// An IPv4 prefix in IPv4-mapped form counts as the IPv4 prefix.
func New(allow []netip.Prefix, options ...Option) *Policy {
	v4, v6 := split(allow)
	guard := ssrf.New(
		ssrf.WithAnyPort(),
		ssrf.WithAllowedV4Prefixes(v4...),
		ssrf.WithAllowedV6Prefixes(v6...),
		ssrf.WithDeniedV4Prefixes(publicButInside...),
	)
	p := Unrestricted(options...)
	p.judge = guard.SafeAddr
	return p
}

// Unrestricted returns the policy of the command line, where the person who runs it may call whatever the machine
// can.
func Unrestricted(options ...Option) *Policy {
	p := &Policy{resolver: net.DefaultResolver, dial: new(net.Dialer).DialContext}
	for _, option := range options {
		option(p)
	}
	return p
}

// publicButInside are addresses that the registries call public and that answer only inside one provider's machines.
var publicButInside = []netip.Prefix{
	netip.MustParsePrefix("168.63.129.16/32"), // Azure's host agent: DHCP, DNS and the machine's own certificates
}

// Check returns ErrRefused unless addr may be called. IPv4-mapped addresses are judged as IPv4 and zones are ignored.
func (p *Policy) Check(addr netip.Addr) error {
	if p.judge == nil {
		return nil
	}
	// A prefix never contains an address that has a zone, so one left in place would hide it from the list.
	addr = addr.Unmap().WithZone("")
	if !addr.IsValid() || p.judge(addr) != nil {
		return ErrRefused
	}
	return nil
}

func split(prefixes []netip.Prefix) (v4, v6 []netip.Prefix) {
	for _, prefix := range prefixes {
		addr, bits := prefix.Addr(), prefix.Bits()
		if addr.Is4In6() && bits >= 96 {
			prefix = netip.PrefixFrom(addr.Unmap(), bits-96)
		}
		if prefix.Addr().Is4() {
			v4 = append(v4, prefix)
		} else {
			v6 = append(v6, prefix)
		}
	}
	return v4, v6
}
