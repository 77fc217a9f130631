package peer

import (
	"reflect"
	"unsafe"

	"github.com/pion/webrtc/v4"
)

// forgetCredentials has the pion of an API make ICE credentials of its own from now on,
// with each restart, after it was given those to begin with. It would go back to them,
// which clients do not take for a restart, and nothing that it exports says otherwise.
// It reports false, and has done nothing, if pion does not keep them where it did.
//
// Nobody else may use the API meanwhile; pion reads them when it makes an agent and when
// it restarts one, both on the goroutine that makes an offer.
func forgetCredentials(api *webrtc.API) bool {
	engine := reflect.ValueOf(api).Elem().FieldByName("settingEngine")
	if engine.Kind() != reflect.Pointer || engine.IsNil() {
		return false
	}
	candidates := engine.Elem().FieldByName("candidates")
	if candidates.Kind() != reflect.Struct {
		return false
	}
	fields := [...]reflect.Value{candidates.FieldByName("UsernameFragment"), candidates.FieldByName("Password")}
	for _, f := range fields {
		if f.Kind() != reflect.String {
			return false
		}
	}
	for _, f := range fields {
		*(*string)(unsafe.Pointer(f.UnsafeAddr())) = ""
	}
	return true
}
