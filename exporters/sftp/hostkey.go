package sftp

import (
	"context"
	"net"
	"strings"

	"golang.org/x/crypto/ssh"

	"github.com/gantry-engine/gantry/engine"
)

// known is the host as OpenSSH's known_hosts, and `gantry host-keys`, write it.
func (s *server) known() string {
	host, port, err := net.SplitHostPort(s.address)
	if err != nil || port == "22" {
		return host
	}
	return "[" + host + "]:" + port
}

// recall returns the algorithms to connect with. Where the task says no key, the one is taken that the host showed first.
func (s *server) recall(ctx context.Context) ([][]string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.pin.fingerprint != "" || s.env.HostKeys == nil {
		return s.offers, nil
	}
	text, err := s.env.HostKeys.Held(ctx, s.env.Owner, s.known())
	if err != nil || text == "" {
		return s.offers, err
	}
	key, _, _, _, err := ssh.ParseAuthorizedKey([]byte(text))
	if err != nil {
		return nil, err
	}
	s.pin = pin{held: true, key: key, fingerprint: ssh.FingerprintSHA256(key)}
	s.offers = s.pin.offers(s.place.Legacy)
	return s.offers, nil
}

// expected is what is known of the server's key.
func (s *server) expected() pin {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.pin
}

// judge decides, before anything secret is sent, whether the server is the one that it should be.
func (s *server) judge(ctx context.Context, key ssh.PublicKey) error {
	got := ssh.FingerprintSHA256(key)
	want := s.expected().fingerprint
	if want == "" && s.env.HostKeys != nil {
		text, err := s.env.HostKeys.Hold(ctx, s.env.Owner, s.known(), strings.TrimSpace(string(ssh.MarshalAuthorizedKey(key))))
		if err != nil {
			return err
		}
		held, _, _, _, err := ssh.ParseAuthorizedKey([]byte(text))
		if err != nil {
			return err
		}
		want = ssh.FingerprintSHA256(held) // another task may have been here first
	}
	if want != "" && want != got {
		return &otherKeyError{got: got, want: want}
	}
	return nil
}

// otherKey is the error for a server with another key than it should have.
func (s *server) otherKey(other *otherKeyError) error {
	if s.place.HostKey != "" {
		return engine.Errorf(engine.Denied, "The SFTP server's key is %s, and host_key says %s. If the server was given a new key, "+
			"change host_key; if not, another server may stand in its place.", other.got, other.want)
	}
	return engine.Errorf(engine.Denied, "The SFTP server's key is %s, and was %s when it was first used. If the server was given a "+
		"new key, `gantry host-keys forget %s` makes the next task take it; if not, another server may stand in its place.",
		other.got, other.want, s.known())
}
