package egress_test

import (
	"errors"
	"net/netip"
	"testing"

	"github.com/gantry-engine/gantry/engine/egress"
)

func prefixes(texts ...string) []netip.Prefix {
	var list []netip.Prefix
	for _, text := range texts {
		list = append(list, netip.MustParsePrefix(text))
	}
	return list
}

func TestSecSSRF02MappedAddresses(t *testing.T) {
	refuseAll(t, egress.New(nil), []string{
		"::ffff:127.0.0.1", "::ffff:a9fe:a9fe", "::ffff:10.0.0.1", "::ffff:0.0.0.0", "::", "::1", "::ffff:192.168.1.1%eth0",
	})
}

func TestSecSSRF03AddressesThatAreNotPublic(t *testing.T) {
	refuseAll(t, egress.New(nil), []string{
		"0.1.2.3", "10.0.0.1", "10.255.255.255", "100.64.0.1", "100.100.100.200", "100.127.255.255", "127.0.0.1",
		"127.255.255.254", "168.63.129.16", "169.254.169.254", "172.16.0.1", "172.31.255.255", "192.0.0.1", "192.0.0.192",
		"192.0.2.1", "192.31.196.1", "192.52.193.1", "192.88.99.1", "192.168.0.1", "192.175.48.1", "198.18.0.1",
		"198.19.255.255", "198.51.100.1", "203.0.113.1", "224.0.0.1", "239.255.255.255", "240.0.0.1", "255.255.255.255",
		"::127.0.0.1", "::808:808", "::ffff:0:127.0.0.1", "64:ff9b::7f00:1", "64:ff9b::808:808", "64:ff9b:1::a00:1",
		"100::1", "2001::1", "2001:0:4136:e378:8000:63bf:3fff:fdd2", "2001:2::1", "2001:10::1", "2001:20::1",
		"2001:db8::1", "2002:7f00:1::", "2002:808:808::1", "2620:4f:8000::1", "3fff::1", "4000::1", "5f00::1",
		"fc00::1", "fd00:ec2::254", "fdff::1", "fe80::1", "fe80::1%eth0", "febf::1", "fec0::1", "feff::1", "ff02::1",
		"ff0e::1", "2001:db8::1%eth0",
	})
}

func TestSecSSRF04UnspecifiedAddress(t *testing.T) {
	refuseAll(t, egress.New(nil), []string{"0.0.0.0", "::", "::ffff:0:0"})
	if err := egress.New(nil).Check(netip.Addr{}); !errors.Is(err, egress.ErrRefused) {
		t.Errorf("zero address: got %v, want ErrRefused", err)
	}
}

func TestSecSSRF17PrivateIsDeniedByDefault(t *testing.T) {
	policy := egress.New(nil)
	refuseAll(t, policy, []string{"127.0.0.1", "::1", "10.0.0.1", "169.254.169.254"})
	passAll(t, policy, []string{
		"1.1.1.1", "8.8.8.8", "9.255.255.255", "11.0.0.0", "100.63.255.255", "100.128.0.0", "126.255.255.255", "128.0.0.1",
		"172.15.255.255", "172.32.0.0", "192.0.1.1", "198.17.255.255", "198.20.0.0", "223.255.255.255", "::ffff:8.8.8.8",
		"2001:200::1", "2001:4860:4860::8888", "2003::1", "2606:4700:4700::1111",
	})
}

func TestAllowedPrefixesPass(t *testing.T) {
	policy := egress.New(prefixes("10.1.0.0/16", "::ffff:192.168.7.0/120", "fd12::/16", "fe80::/10", "127.0.0.1/32"))
	passAll(t, policy, []string{
		"10.1.2.3", "::ffff:10.1.2.3", "192.168.7.9", "fd12::1", "fe80::1%eth0", "127.0.0.1", "8.8.8.8",
	})
	refuseAll(t, policy, []string{"10.2.0.1", "192.168.8.1", "fd13::1", "127.0.0.2", "::1"})
}

func TestUnrestrictedPassesAll(t *testing.T) {
	passAll(t, egress.Unrestricted(), []string{"127.0.0.1", "::1", "169.254.169.254", "10.0.0.1", "8.8.8.8"})
}

func refuseAll(t *testing.T, policy *egress.Policy, addrs []string) {
	t.Helper()
	for _, addr := range addrs {
		if err := policy.Check(netip.MustParseAddr(addr)); !errors.Is(err, egress.ErrRefused) {
			t.Errorf("%s: got %v, want ErrRefused", addr, err)
		}
	}
}

func passAll(t *testing.T, policy *egress.Policy, addrs []string) {
	t.Helper()
	for _, addr := range addrs {
		if err := policy.Check(netip.MustParseAddr(addr)); err != nil {
			t.Errorf("%s: got %v, want no error", addr, err)
		}
	}
}
