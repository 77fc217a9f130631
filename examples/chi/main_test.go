package main

import (
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/rollcall-rtc/rollcall/webhook"
)

func TestRouterTakesVerifiedEvents(t *testing.T) {
	const body = `{"event":"room_started","room":{"name":"blue"},"id":"1"}`
	sum := sha256.Sum256([]byte(body))
	token, err := jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.MapClaims{
		"iss": "devkey", "exp": time.Now().Add(time.Minute).Unix(), "sha256": base64.StdEncoding.EncodeToString(sum[:]),
	}).SignedString([]byte("secret"))
	if err != nil {
		t.Fatal(err)
	}
	var took []string
	var fail error
	h := router(webhook.Keys{"devkey": "secret"}, func(ev *webhook.Event) error {
		took = append(took, ev.GetEvent())
		return fail
	})
	post := func(token string) int {
		r := httptest.NewRequest(http.MethodPost, "/webhook", strings.NewReader(body))
		r.Header.Set("Authorization", token)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		return w.Code
	}
	if code := post(token); code != http.StatusOK {
		t.Errorf("a good event is answered with %d", code)
	}
	if code := post(token + "x"); code != http.StatusUnauthorized {
		t.Errorf("a forged one is answered with %d", code)
	}
	fail = errors.New("not now")
	if code := post(token); code != http.StatusInternalServerError {
		t.Errorf("one that cannot be stored is answered with %d", code)
	}
	if strings.Join(took, " ") != "room_started room_started" {
		t.Errorf("took %q", took)
	}
}
