package httpapi

import (
	"net/http"
	"net/netip"
	"time"

	"github.com/rollcall-rtc/rollcall/internal/token"
)

// sessionLife is how long somebody who logs in with a password may go on.
const sessionLife = 12 * time.Hour

// dashboardGrants are what the dashboard can make use of.
func dashboardGrants(name string) *token.Claims {
	return &token.Claims{
		Name:     name,
		Rollcall: &token.RollcallGrant{Admin: true, Events: true, Endpoints: true},
	}
}

// Login is how people get into the dashboard with a name and a password.
type Login struct {
	// Users are bcrypt hashes of passwords by name; none: only tokens get in.
	Users map[string]string
	// Key is the API key, with its secret, that signs the tokens of those who log in.
	Key, Secret string
	// Address tells attempts of one client from those of another. Nil: by the other
	// end of the connection.
	Address func(*http.Request) netip.Addr
}

// sessionAPI serves /session: what the bearer of a token may, and tokens for
// people with a password. There is no cookie: a page of another origin that may
// ask anything here, as allowOrigins lets it, asks without a token.
type sessionAPI struct {
	login *passwords
	dev   bool
	auth  authenticator
}

func newSessionAPI(o Options, auth authenticator) *sessionAPI {
	return &sessionAPI{login: newPasswords(o.Login), dev: o.DevKey != "", auth: auth}
}

func (h *sessionAPI) routes() []route {
	return []route{
		{"GET", "/session", h.show},
		{"POST", "/session", h.open},
	}
}

// sessionJSON is what a token permits, and how to get one.
type sessionJSON struct {
	// Login says that a name and a password get in.
	Login bool `json:"login"`
	// Bearer is absent when no token was sent.
	Bearer *bearerJSON `json:"bearer,omitempty"`
}

// bearerJSON is what a token permits.
type bearerJSON struct {
	APIKey    string    `json:"apiKey"`
	Name      string    `json:"name"`
	ExpiresAt time.Time `json:"expiresAt"`
	// Room is the only one that the token is for; empty: all.
	Room      string `json:"room"`
	Rooms     bool   `json:"rooms"`     // may list them
	Admin     bool   `json:"admin"`     // may act on them
	Events    bool   `json:"events"`    // may read the log and figures
	Endpoints bool   `json:"endpoints"` // may see and change deliveries
}

func (h *sessionAPI) show(w http.ResponseWriter, r *http.Request) error {
	w.Header().Set("Cache-Control", "no-store")
	out := sessionJSON{Login: h.login != nil}
	if r.Header.Get("Authorization") != "" || r.URL.Query().Has("access_token") {
		claims, err := h.auth.bearer(r)
		if err != nil {
			return err
		}
		room := claims.OnlyRoom()
		out.Bearer = &bearerJSON{
			APIKey: claims.APIKey, Name: claims.Name, ExpiresAt: claims.ExpiresAt.UTC(), Room: room,
			Rooms:     claims.CanListRooms() == nil,
			Admin:     claims.CanAdminAny(room) == nil,
			Events:    claims.CanReadEvents(room) == nil,
			Endpoints: claims.CanManageEndpoints() == nil,
		}
	}
	writeJSON(w, http.StatusOK, out)
	return nil
}

// openedJSON is a token for who logged in.
type openedJSON struct {
	Token     string    `json:"token"`
	ExpiresAt time.Time `json:"expiresAt"`
}

func (h *sessionAPI) open(w http.ResponseWriter, r *http.Request) error {
	w.Header().Set("Cache-Control", "no-store")
	var in struct {
		Name     string `json:"name"`
		Password string `json:"password"`
	}
	if err := decodeJSON(w, r, &in); err != nil {
		return err
	}
	if h.login == nil {
		return problemf(http.StatusNotFound, "not_found",
			"this server has no passwords: dashboard.users of its configuration is empty; use a token (rollcall token create --dashboard)")
	}
	if err := h.login.check(r, in.Name, in.Password, time.Now()); err != nil {
		return err
	}
	now := time.Now()
	raw, err := token.Mint(h.login.key, h.login.secret, dashboardGrants(in.Name), now, sessionLife)
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, openedJSON{raw, now.Add(sessionLife).UTC().Truncate(time.Second)})
	return nil
}

// devDashboard serves GET /dev/dashboard: a token for the dashboard, to this
// machine. OnlyThisMachine stands before it.
func devDashboard(key, secret string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet {
			refuseMethod(w, r, "GET")
			return
		}
		now := time.Now()
		raw, err := token.Mint(key, secret, dashboardGrants("Developer"), now, devTokenLife)
		if err != nil {
			http.Error(w, "no token can be made: "+err.Error(), http.StatusInternalServerError)
			return
		}
		w.Header().Set("Cache-Control", "no-store")
		writeJSON(w, http.StatusOK, openedJSON{raw, now.Add(devTokenLife).UTC().Truncate(time.Second)})
	}
}
