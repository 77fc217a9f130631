// Command kube reads Kubernetes manifests as the API server does, every field by
// its type, and refuses fields that there are not. It is a module of its own:
// nothing else needs the types of Kubernetes.
package main

import (
	"bytes"
	"fmt"
	"os"

	apps "k8s.io/api/apps/v1"
	core "k8s.io/api/core/v1"
	networking "k8s.io/api/networking/v1"
	"sigs.k8s.io/yaml"
)

func main() {
	failed := false
	for _, file := range os.Args[1:] {
		raw, err := os.ReadFile(file)
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(2)
		}
		for i, text := range bytes.Split(raw, []byte("\n---\n")) {
			kind, err := check(text)
			if err != nil {
				fmt.Printf("%s, document %d: %v\n", file, i+1, err)
				failed = true
				continue
			}
			fmt.Println(kind)
		}
	}
	if failed {
		os.Exit(1)
	}
}

func check(text []byte) (string, error) {
	var head struct{ APIVersion, Kind string }
	if err := yaml.Unmarshal(text, &head); err != nil {
		return "", err
	}
	kind := head.APIVersion + " " + head.Kind
	kinds := map[string]any{
		"v1 ConfigMap": &core.ConfigMap{}, "v1 Service": &core.Service{}, "apps/v1 StatefulSet": &apps.StatefulSet{},
		"networking.k8s.io/v1 Ingress": &networking.Ingress{},
	}
	into, known := kinds[kind]
	if !known {
		return "", fmt.Errorf("no kind %q here", kind)
	}
	return kind, yaml.UnmarshalStrict(text, into)
}
