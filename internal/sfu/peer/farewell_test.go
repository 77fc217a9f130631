package peer

import (
	"testing"
	"testing/synctest"
)

// A client may connect, send data and close before we have the keys to read either.
func TestFarewellThatCameBeforeTheKeysIsHeard(t *testing.T) {
	for _, server := range []bool{false, true} {
		duels(t, func(t *testing.T, d *duel) {
			release := make(chan struct{})
			secured := d.secured
			d.secured = func() error { <-release; return secured() }
			d.begin(server)
			d.describe(server, []string{d.fingerprint})
			d.reach()
			if err := <-d.donec; err != nil {
				t.Fatal(err)
			}
			if _, err := d.client.Write([]byte("data, as far as DTLS knows")); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
			_ = d.client.Close()
			synctest.Wait()
			close(release)
			d.want(shakeEnded)
			if !d.retired() {
				t.Error("something still runs")
			}
		})
	}
}
