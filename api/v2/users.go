package v2

import (
	"net/http"
	"strconv"
	"strings"

	"github.com/gantry-engine/gantry/api"
	"github.com/gantry-engine/gantry/engine"
)

// credit is what every user has: nothing is charged for here, but clients stop at none.
const credit = 1_000_000

// User is a user on the wire. No field is ever null: the clients' types say so.
type User struct {
	ID        engine.UserID `json:"id"`
	Username  string        `json:"username"`
	Email     string        `json:"email"`
	CreatedAt timestamp     `json:"created_at"`
	Credits   int           `json:"credits"`
	Links     self          `json:"links"`
}

func (h *handlers) me(c *api.Call) error {
	user, err := h.engine.Store.Accounts.User(c.Request.Context(), c.Key.User)
	if err != nil {
		return err
	}
	out := User{ID: user.ID, Username: user.Name, Email: user.Name, CreatedAt: timestamp(user.CreatedAt), Credits: credit,
		Links: self{h.base + "/users/" + strconv.Itoa(int(user.ID))}}
	if !strings.Contains(out.Email, "@") {
		out.Email += "@localhost"
	}
	return c.Reply(http.StatusOK, data[User]{out})
}
