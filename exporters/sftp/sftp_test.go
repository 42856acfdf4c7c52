package sftp_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/gantry-engine/gantry/exporters"
	"github.com/gantry-engine/gantry/exporters/exportertest"
	"github.com/gantry-engine/gantry/exporters/exportertest/testserver"
	"github.com/gantry-engine/gantry/exporters/sftp"
)

var servers testserver.Servers

func TestMain(m *testing.M) { os.Exit(testserver.Main(m, &servers)) }

func TestExporter(t *testing.T) { exportertest.Run(t, newSSHD(t, "plain")) }

// TestOldServer runs the contract against a server that has no rename which replaces (EXP-SF-02), and refuses to set times
// and modes (EXP-SF-04).
func TestOldServer(t *testing.T) { exportertest.Run(t, newSSHD(t, "old")) }

// sshd is the harness: OpenSSH, as one of its users.
type sshd struct {
	values map[string]string
	user   string
	home   string
}

func newSSHD(t testing.TB, user string) sshd {
	t.Helper()
	v := servers.Start(t, "sftp")
	return sshd{values: v, user: user, home: filepath.Join(v["SFTP_HOMES_DIR"], user)}
}

func (sshd) Definition() exporters.Definition { return sftp.Definition() }
func (s sshd) Address() string                { return s.values["SFTP_ADDRESS"] }
func (sshd) PartSize() int64                  { return 0 }

func (s sshd) Params(_ testing.TB, address, name string) map[string]any {
	host, port, _ := strings.Cut(address, ":")
	number, _ := strconv.Atoi(port)
	params := map[string]any{"host": host, "port": number, "username": s.user, "password": s.values["SFTP_PASSWORD"]}
	if name != "" {
		params["file"] = name
	}
	return params
}

func (s sshd) Wrong(t testing.TB, kind exportertest.Kind, name string) map[string]any {
	params := s.Params(t, s.Address(), name)
	if kind == exportertest.Missing {
		return nil // folders that are missing are made
	}
	params["password"] = "not-the-password"
	return params
}

// Read looks at the user's folder.
func (s sshd) Read(t testing.TB, name string) (exportertest.Object, bool) {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(s.home, filepath.FromSlash(name)))
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	return exportertest.Object{Bytes: content}, err == nil
}

// Unfinished lists the temporary files.
func (s sshd) Unfinished(t testing.TB) (left []string) {
	t.Helper()
	err := filepath.WalkDir(s.home, func(path string, e fs.DirEntry, err error) error {
		if err == nil && !e.IsDir() && (strings.HasSuffix(path, ".part") || strings.HasSuffix(path, ".old")) {
			left = append(left, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return left
}
