package httpapi

import (
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"

	"github.com/rollcall-rtc/rollcall/internal/delivery"
	"github.com/rollcall-rtc/rollcall/internal/figures"
	"github.com/rollcall-rtc/rollcall/internal/room"
	"github.com/rollcall-rtc/rollcall/internal/sfu/peer"
)

func openAPI(t *testing.T) map[string]any {
	t.Helper()
	raw, err := os.ReadFile("../../docs/openapi.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var doc map[string]any
	if err := yaml.Unmarshal(raw, &doc); err != nil {
		t.Fatal(err)
	}
	return doc
}

func TestOpenAPIListsTheRoutesThatThereAre(t *testing.T) {
	var documented, served []string
	ids := map[string]string{}
	for path, operations := range openAPI(t)["paths"].(map[string]any) {
		for method, operation := range operations.(map[string]any) {
			if method == "parameters" {
				continue
			}
			at := strings.ToUpper(method) + " " + path
			documented = append(documented, at)
			id, _ := operation.(map[string]any)["operationId"].(string)
			if other, twice := ids[id]; twice || id == "" {
				t.Errorf("%s: operationId %q is that of %q", at, id, other)
			}
			ids[id] = at
		}
	}
	for _, rt := range apiRoutes(Options{}, authenticator{}) {
		served = append(served, rt.method+" "+rt.path)
	}
	slices.Sort(documented)
	slices.Sort(served)
	for _, at := range served {
		if !slices.Contains(documented, at) {
			t.Errorf("docs/openapi.yaml lacks %s", at)
		}
	}
	for _, at := range documented {
		if !slices.Contains(served, at) {
			t.Errorf("docs/openapi.yaml has %s, which is not served", at)
		}
	}
}

func TestOpenAPIRefersToWhatIsThere(t *testing.T) {
	doc := openAPI(t)
	seen := 0
	var walk func(v any)
	walk = func(v any) {
		switch v := v.(type) {
		case []any:
			for _, e := range v {
				walk(e)
			}
		case map[string]any:
			if ref, ok := v["$ref"].(string); ok {
				seen++
				path, inside := strings.CutPrefix(ref, "#/")
				if !inside {
					if _, err := os.Stat("../../docs/" + ref); err != nil {
						t.Error(err)
					}
					return
				}
				var at any = doc
				for part := range strings.SplitSeq(path, "/") {
					next, _ := at.(map[string]any)
					at = next[part]
				}
				if at == nil {
					t.Errorf("%s is not there", ref)
				}
			}
			for _, e := range v {
				walk(e)
			}
		}
	}
	walk(doc)
	if seen == 0 {
		t.Error("there is no $ref")
	}
}

// The fields of the answers and requests that have a Go type are those of the
// document.
func TestOpenAPISchemasHaveTheFieldsOfTheirTypes(t *testing.T) {
	schemas := openAPI(t)["components"].(map[string]any)["schemas"].(map[string]any)
	for name, of := range map[string]any{
		"Consumer": consumerJSON{}, "RoomState": stateJSON{}, "Endpoint": endpointJSON{}, "EndpointInput": endpointInput{},
		"EndpointStatus": endpointStatus{}, "Batch": batchJSON{}, "Explanation": whyJSON{}, "LogState": LogState{},
		"RoomSession": sessionOfRoomJSON{}, "Lane": delivery.LaneStats{},
		"Access": sessionJSON{}, "RoomLines": roomsJSON{}, "RoomLine": figures.Line{}, "RoomFigures": roomStatsJSON{}, "PersonFigures": personJSON{},
		"Transport": room.Transport{}, "TrackFigures": figures.Track{}, "LayerFigures": figures.Layer{}, "Reception": figures.Reception{},
		"NodeFigures": nodeJSON{}, "NodeSample": figures.Node{}, "RecordingLink": linkJSON{}, "Flow": peer.Flow{},
	} {
		var fields, properties []string
		var collect func(t reflect.Type)
		collect = func(rt reflect.Type) {
			for i := range rt.NumField() {
				f := rt.Field(i)
				if f.Anonymous {
					collect(f.Type)
					continue
				}
				tag, _, _ := strings.Cut(f.Tag.Get("json"), ",")
				if tag != "-" && !slices.Contains(fields, tag) { // an outer field hides an inner one
					fields = append(fields, tag)
				}
			}
		}
		collect(reflect.TypeOf(of))
		for p := range schemas[name].(map[string]any)["properties"].(map[string]any) {
			properties = append(properties, p)
		}
		slices.Sort(fields)
		slices.Sort(properties)
		if !slices.Equal(fields, properties) {
			t.Errorf("%s has the properties %v, its type %v", name, properties, fields)
		}
	}
}
