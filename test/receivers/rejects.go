package main

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"maps"
	"strconv"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// rejects returns requests that no receiver may accept, made from a good one and
// from one that was signed with another secret.
func rejects(good, forged vector) []vector {
	good.Accept, forged.Accept = false, false
	forged.Group = groupSecret

	tampered := clone(good, groupTampered)
	i := bytes.Index(tampered.Body, []byte(`"name":"`)) + len(`"name":"`)
	tampered.Body[i]++

	// What a framework does that parses the JSON and writes it again.
	encoded := clone(good, groupEncoded)
	var indented bytes.Buffer
	if err := json.Indent(&indented, good.Body, "", "  "); err != nil {
		panic("BUG: a body that is not JSON: " + err.Error())
	}
	encoded.Body = indented.Bytes()

	none := clone(good, groupNone)
	delete(none.Headers, "authorization")
	delete(none.Headers, "webhook-signature")

	return []vector{tampered, encoded, forged, expired(good), none}
}

func clone(v vector, group string) vector {
	v.Group, v.Body, v.Headers = group, bytes.Clone(v.Body), maps.Clone(v.Headers)
	return v
}

// expired is good as it would have been an hour earlier.
func expired(good vector) vector {
	v := clone(good, groupExpired)
	claims := jwt.MapClaims{}
	if _, _, err := jwt.NewParser().ParseUnverified(v.Headers["authorization"], claims); err != nil {
		panic("BUG: a token that is none: " + err.Error())
	}
	for _, name := range []string{"exp", "nbf", "iat"} {
		claims[name] = int64(claims[name].(float64)) - 3600
	}
	token, err := jwt.NewWithClaims(jwt.SigningMethodHS256, claims).SignedString([]byte(apiSecret))
	if err != nil {
		panic("BUG: sign with HMAC: " + err.Error())
	}
	v.Headers["authorization"] = token

	sent := strconv.FormatInt(time.Now().Add(-time.Hour).Unix(), 10)
	mac := hmac.New(sha256.New, []byte(apiSecret))
	mac.Write([]byte(v.Headers["webhook-id"] + "." + sent + "."))
	mac.Write(v.Body)
	v.Headers["webhook-timestamp"] = sent
	v.Headers["webhook-signature"] = "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))
	return v
}
