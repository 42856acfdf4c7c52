package egress

import (
	"net/netip"
	"net/url"
	"strconv"
	"strings"
)

// CheckURL returns ErrURL unless u has the scheme http or https, in any letter case, and a host; and ErrRefused
// when the host is an address that may not be called. A name is judged when it is dialled. It never touches the
// network.
func (p *Policy) CheckURL(u *url.URL) error {
	host, port := u.Hostname(), u.Port()
	if !isHTTP(u.Scheme) || host == "" {
		return ErrURL
	}
	if port != "" && !validPort(port) {
		return ErrURL
	}
	addr, err := netip.ParseAddr(host)
	if strings.HasPrefix(u.Host, "[") && (err != nil || !addr.Is6()) {
		return ErrURL // brackets hold IPv6 and nothing else: some readers drop them and resolve the rest
	}
	if err == nil {
		return p.Check(addr)
	}
	return p.checkName(host)
}

// checkName refuses names that old address parsers read as IPv4: 2130706433, 0x7f.1, 0177.0.0.1, 127.1, 127.0.0.1
// with a dot at the end. Whether the machine's resolver does so differs between machines; a real name never ends in
// a number.
func (p *Policy) checkName(host string) error {
	last := strings.TrimSuffix(host, ".")
	last = last[strings.LastIndexByte(last, '.')+1:]
	if p.judge != nil && isNumber(last) {
		return ErrRefused
	}
	return nil
}

func isNumber(label string) bool {
	if len(label) >= 2 && strings.EqualFold(label[:2], "0x") {
		return strings.Trim(label[2:], "0123456789abcdefABCDEF") == ""
	}
	return label != "" && strings.Trim(label, "0123456789") == ""
}

func isHTTP(scheme string) bool {
	return strings.EqualFold(scheme, "http") || strings.EqualFold(scheme, "https")
}

func validPort(port string) bool {
	n, err := strconv.ParseUint(port, 10, 16)
	return err == nil && n > 0
}
