package webhook_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/rollcall-rtc/rollcall/webhook"
)

// A handler answers 2xx only when the event is safe: everything else is sent
// again.
func ExampleReceive() {
	keys := webhook.Keys{"devkey": "secret"}
	handler := func(w http.ResponseWriter, r *http.Request) {
		ev, err := webhook.Receive(r, keys)
		if err != nil {
			http.Error(w, err.Error(), http.StatusUnauthorized)
			return
		}
		fmt.Println(ev.Delivery.RoomSeq, ev.GetEvent(), ev.GetRoom().GetName())
	}

	// A request that did not come from the server is refused.
	r := httptest.NewRequest("POST", "/webhook", strings.NewReader(`{"event":"room_started"}`))
	w := httptest.NewRecorder()
	handler(w, r)
	fmt.Print(w.Code, " ", w.Body)
	// Output: 401 receive webhook: no Authorization header
}

// A body that something on the way parsed and wrote again does not verify; the
// error has both digests.
func ExampleChecksumError() {
	var err error = &webhook.ChecksumError{Signed: "n4bQgYhMfWWaL+qgxVrQFaO/TxsrC4Is0V1sFbDwCgg=", Actual: "LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ=", Size: 5}
	var sum *webhook.ChecksumError
	if errors.As(err, &sum) {
		fmt.Println(sum)
	}
	// Output: the body is not the one that was signed: signed n4bQgYhMfWWaL+qgxVrQFaO/TxsrC4Is0V1sFbDwCgg=, but these 5 bytes are LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ=
}
