package egress

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"time"
)

// dialTimeout bounds one DialContext: the lookup and every address tried.
const dialTimeout = 30 * time.Second

// DialContext connects to address, a host and a numeric port, over network "tcp". A name is looked up once; all its
// addresses must pass Check, and only these very addresses are tried, in the resolver's order. It fails with
// ErrRefused or ErrUnresolved before any connection, and gives up after 30 seconds or when ctx ends.
func (p *Policy) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	if network != "tcp" {
		return nil, fmt.Errorf("egress: dial: network %q is not tcp", network)
	}
	host, port, err := net.SplitHostPort(address)
	if err != nil || host == "" || !validPort(port) {
		return nil, errors.New("egress: dial: the address is not a host with a numeric port")
	}
	number, _ := strconv.ParseUint(port, 10, 16) // validPort has seen to it
	limited, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	addrs, err := p.resolve(limited, host)
	if err != nil {
		// The caller's own end comes first: a cancelled task is not a fault of its destination.
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		return nil, err
	}
	return p.dialFirst(limited, addrs, uint16(number))
}

// resolve returns the addresses of host, every one of them checked.
func (p *Policy) resolve(ctx context.Context, host string) ([]netip.Addr, error) {
	addr, err := netip.ParseAddr(host)
	if err == nil {
		return []netip.Addr{addr}, p.Check(addr)
	}
	if err := p.checkName(host); err != nil {
		return nil, err
	}
	answers, err := p.resolver.LookupNetIP(ctx, "ip", host)
	if err != nil || len(answers) == 0 {
		return nil, p.lookupError(host, err)
	}
	addrs := make([]netip.Addr, 0, len(answers))
	for _, addr := range answers {
		if err := p.Check(addr); err != nil {
			return nil, err
		}
		addrs = append(addrs, addr.Unmap())
	}
	return addrs, nil
}

// lookupError hides what the resolver said, which names servers of the network inside, from callers that are
// restricted.
func (p *Policy) lookupError(host string, err error) error {
	var dns *net.DNSError
	passing := errors.As(err, &dns) && (dns.IsTimeout || dns.IsTemporary)
	switch {
	case p.judge == nil && err != nil:
		return fmt.Errorf("%w: %w", ErrUnresolved, err)
	case p.judge == nil:
		return fmt.Errorf("%w: %s has no address", ErrUnresolved, host)
	case passing, errors.Is(err, context.DeadlineExceeded):
		return ErrUnresolved
	}
	return ErrRefused
}

// dialFirst returns the first connection that succeeds, or the first error. Each address gets its share of the time
// left, so that one that swallows packets does not keep the next from being tried.
func (p *Policy) dialFirst(ctx context.Context, addrs []netip.Addr, port uint16) (net.Conn, error) {
	var first error
	for i, addr := range addrs {
		conn, err := p.dialShare(ctx, netip.AddrPortFrom(addr, port), len(addrs)-i)
		if err == nil {
			return conn, nil
		}
		if first == nil {
			first = err
		}
		if ctx.Err() != nil {
			break
		}
	}
	return nil, first
}

func (p *Policy) dialShare(ctx context.Context, address netip.AddrPort, share int) (net.Conn, error) {
	deadline, _ := ctx.Deadline() // DialContext has set one
	ctx, cancel := context.WithTimeout(ctx, time.Until(deadline)/time.Duration(share))
	defer cancel()
	return p.dial(ctx, "tcp", address.String())
}
