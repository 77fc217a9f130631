package httpapi

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
)

// maxJSON bounds, in bytes, what the API beside Twirp reads.
const maxJSON = 1 << 20

// decodeJSON fills v from the request's body, which may be empty for one that
// has only optional fields. A field that v does not have is an error: a
// misspelt one would have no effect, and nobody would know.
func decodeJSON(w http.ResponseWriter, r *http.Request, v any) error {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxJSON))
	if err != nil {
		if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
			return problemf(http.StatusRequestEntityTooLarge, "resource_exhausted", "the body is longer than %d bytes", maxJSON)
		}
		return badRequest("the body could not be read")
	}
	if len(bytes.TrimSpace(body)) == 0 {
		return nil
	}
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.DisallowUnknownFields()
	if err := dec.Decode(v); err != nil {
		return badJSON(err)
	}
	if _, err := dec.Token(); err != io.EOF {
		return badRequest("the body has more than one JSON value")
	}
	return nil
}

// badJSON says where the body is wrong.
func badJSON(err error) error {
	if te, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		return badRequest("the body's field %.64q is a JSON %s, want %s", te.Field, strings.Fields(te.Value + " value")[0], jsonKind(te.Type.Kind().String()))
	}
	if se, ok := errors.AsType[*json.SyntaxError](err); ok {
		return badRequest("the body is no JSON: %s at byte %d", se.Error(), se.Offset)
	}
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return badRequest("the body is no JSON: it ends too early")
	}
	if name, ok := strings.CutPrefix(err.Error(), "json: unknown field "); ok {
		return badRequest("the body has a field %s, which there is not", name)
	}
	if pe, ok := errors.AsType[*problem](err); ok {
		return pe
	}
	return badRequest("the body cannot be used: %s", strings.TrimPrefix(err.Error(), "json: "))
}

// jsonKind is the JSON type that a Go kind is written as.
func jsonKind(kind string) string {
	switch {
	case strings.HasPrefix(kind, "int"), strings.HasPrefix(kind, "uint"), strings.HasPrefix(kind, "float"):
		return "number"
	case kind == "bool":
		return "true or false"
	case kind == "slice":
		return "array"
	case kind == "map", kind == "struct":
		return "object"
	}
	return kind
}
