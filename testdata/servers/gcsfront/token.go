package main

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"net/http"
	"os"
	"slices"
	"strings"
	"time"
)

const tokenLife = time.Hour

// token is what was given for an assertion.
type token struct {
	account string
	writes  bool // by its scope
	until   time.Time
}

func (t token) may(right string) bool { return slices.Contains(rights[t.account], right) }

// verifier checks signatures.
type verifier struct{ *rsa.PublicKey }

func publicKey(file string) (verifier, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return verifier{}, err
	}
	block, _ := pem.Decode(text)
	if block == nil {
		return verifier{}, errors.New("the key is not PEM")
	}
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return verifier{}, err
	}
	private, ok := key.(*rsa.PrivateKey)
	if !ok {
		return verifier{}, errors.New("the key is not RSA")
	}
	return verifier{&private.PublicKey}, nil
}

// claims are what an assertion says.
type claims struct {
	Issuer   string `json:"iss"`
	Scope    string `json:"scope"`
	Audience string `json:"aud"`
	Issued   int64  `json:"iat"`
	Expires  int64  `json:"exp"`
}

// exchange is the grant of RFC 7523, with Google's refusals.
func (f *front) exchange(w http.ResponseWriter, r *http.Request) {
	if r.PostFormValue("grant_type") != "urn:ietf:params:oauth:grant-type:jwt-bearer" {
		answer(w, http.StatusBadRequest, map[string]string{"error": "unsupported_grant_type", "error_description": "Invalid grant_type"})
		return
	}
	t, code, description := f.judge(r.PostFormValue("assertion"), "http://"+r.Host+"/token")
	if code != "" {
		answer(w, http.StatusBadRequest, map[string]string{"error": code, "error_description": description})
		return
	}
	value := "ya29." + rand.Text() + rand.Text()
	f.mu.Lock()
	f.tokens[value] = t
	f.mu.Unlock()
	answer(w, http.StatusOK, map[string]any{"access_token": value, "expires_in": int(tokenLife.Seconds()) - 1, "token_type": "Bearer"})
}

// judge says what is wrong with an assertion, or what may be done with it.
func (f *front) judge(assertion, audience string) (t token, code, description string) {
	parts := strings.Split(assertion, ".")
	var said claims
	var head struct {
		Algorithm string `json:"alg"`
	}
	if len(parts) != 3 || decode(parts[0], &head) != nil || decode(parts[1], &said) != nil || head.Algorithm != "RS256" {
		return t, "invalid_request", "Bad Request"
	}
	account, ok := strings.CutSuffix(said.Issuer, "@"+f.domain)
	signature, err := base64.RawURLEncoding.DecodeString(parts[2])
	sum := sha256.Sum256([]byte(parts[0] + "." + parts[1]))
	now := time.Now()
	issued, expires := time.Unix(said.Issued, 0), time.Unix(said.Expires, 0)
	switch {
	case !ok || rights[account] == nil:
		return t, "invalid_grant", "Invalid grant: account not found"
	case err != nil || rsa.VerifyPKCS1v15(f.key.PublicKey, crypto.SHA256, sum[:], signature) != nil:
		return t, "invalid_grant", "Invalid JWT Signature."
	case said.Audience != audience && said.Audience != "https://oauth2.googleapis.com/token":
		return t, "invalid_grant", "Invalid JWT: Failed audience check."
	case issued.After(now.Add(time.Second)) || !expires.After(now) || expires.Sub(issued) > time.Hour:
		return t, "invalid_grant", "Invalid JWT: Token must be a short-lived token (60 minutes) and in a reasonable timeframe. " +
			"Check your iat and exp values in the JWT claim."
	}
	switch scope, _ := strings.CutPrefix(said.Scope, "https://www.googleapis.com/auth/devstorage."); scope {
	case "read_only", "read_write", "full_control":
		return token{account: account, writes: scope != "read_only", until: now.Add(tokenLife)}, "", ""
	}
	return t, "invalid_scope", "Invalid OAuth scope or ID token audience provided."
}

func decode(part string, into any) error {
	raw, err := base64.RawURLEncoding.DecodeString(part)
	if err != nil {
		return err
	}
	return json.Unmarshal(raw, into)
}

// holder returns the token of a request.
func (f *front) holder(r *http.Request) (token, bool) {
	value, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	f.mu.Lock()
	defer f.mu.Unlock()
	t, ok := f.tokens[value]
	return t, ok && time.Now().Before(t.until)
}
