package pdf

import (
	"context"
	"crypto/rand"
	"strings"
	"unicode/utf8"

	"github.com/gantry-engine/gantry/engine"
	"github.com/gantry-engine/gantry/engine/param"
)

// maxPassword is how many bytes of a password AES-256 uses (ISO 32000-2, 7.6.4.3.3).
const maxPassword = 127

// EncryptParams are what a pdf/encrypt task takes.
type EncryptParams struct {
	SetPassword        param.Secret `json:"set_password" doc:"The password that opens the PDF; without it everyone can."`
	SetOwnerPassword   param.Secret `json:"set_owner_password" doc:"The password that permits everything; by default a random one."`
	AllowExtract       bool         `json:"allow_extract" doc:"Whether text and pictures can be copied out."`
	AllowAccessibility bool         `json:"allow_accessibility" doc:"Whether screen readers get the text."`
	AllowModify        string       `json:"allow_modify" doc:"What can be changed." rule:"oneof=all|annotate|form|assembly|none"`
	AllowPrint         string       `json:"allow_print" doc:"How it can be printed." rule:"oneof=full|low|none"`
	Common
}

func encryptOperation(engines []Engine) engine.Operation {
	return action[Engine, EncryptParams]{workers: engines, work: encrypt, check: checkEncrypt}.operation(
		"pdf/encrypt", "Protect a PDF by a password.",
		EncryptParams{AllowExtract: true, AllowAccessibility: true, AllowModify: "all", AllowPrint: "full"})
}

func checkEncrypt(p EncryptParams) []param.Problem {
	if p.SetPassword == "" && p.SetOwnerPassword == "" {
		return []param.Problem{param.Problemf("set_password", "is required unless there is a set_owner_password")}
	}
	return append(checkPassword("set_password", p.SetPassword), checkPassword("set_owner_password", p.SetOwnerPassword)...)
}

func checkPassword(field string, password param.Secret) []param.Problem {
	text := password.Reveal()
	switch {
	case len(text) > maxPassword:
		return []param.Problem{param.Problemf(field, "must be at most %d bytes long", maxPassword)}
	case !utf8.ValidString(text) || strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r == 0x7f }):
		return []param.Problem{param.Problemf(field, "must not have control characters")}
	}
	return nil
}

func encrypt(ctx context.Context, e Engine, s source, p EncryptParams) ([]string, error) {
	count, err := e.Count(ctx, s.in, "")
	if err != nil {
		return nil, err
	}
	lock := Lock{
		User: p.SetPassword, Owner: p.SetOwnerPassword, Extract: p.AllowExtract, Accessibility: p.AllowAccessibility,
		Modify: p.AllowModify, Print: p.AllowPrint,
	}
	if lock.Owner == "" {
		lock.Owner = param.Secret(rand.Text()) // an empty one, or the user's, would void the permissions
	}
	if err := e.Encrypt(ctx, s.in, s.out(), lock); err != nil {
		return nil, err
	}
	return []string{s.out()}, Check(ctx, e, s.out(), lock.Owner, count)
}

// DecryptParams are what a pdf/decrypt task takes.
type DecryptParams struct {
	Password param.Secret `json:"password" doc:"The password that opens the PDF, or its owner's." rule:"required"`
	Common
}

func decryptOperation(engines []Engine) engine.Operation {
	return action[Engine, DecryptParams]{
		workers: engines, work: decrypt,
		check: func(p DecryptParams) []param.Problem { return checkPassword("password", p.Password) },
	}.operation("pdf/decrypt", "Remove the password of a PDF.", DecryptParams{})
}

func decrypt(ctx context.Context, e Engine, s source, p DecryptParams) ([]string, error) {
	if err := e.Decrypt(ctx, s.in, s.out(), p.Password); err != nil {
		return nil, err
	}
	count, err := e.Count(ctx, s.in, p.Password)
	if err != nil {
		return nil, err
	}
	return []string{s.out()}, Check(ctx, e, s.out(), "", count)
}
