// Answers a table of substitutions with Flux's own packages: JSON lines in, JSON lines out.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"os"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/kustomize/api/provider"
	"sigs.k8s.io/yaml"

	"github.com/fluxcd/pkg/envsubst"
	"github.com/fluxcd/pkg/kustomize"
	"github.com/fluxcd/pkg/sourceignore"
	"github.com/fluxcd/pkg/sourceignore/gitignore"
)

type question struct {
	Text      *string           `json:"text,omitempty"`
	Object    json.RawMessage   `json:"object,omitempty"`
	Variables map[string]string `json:"variables"`
	Strict    bool              `json:"strict"`
	Always    bool              `json:"always"`
	Paths     []string          `json:"paths,omitempty"`
	Ignored   []ignored         `json:"ignored,omitempty"`
}

// ignored holds the rules of one folder, in the order in which source-controller reads them.
type ignored struct {
	Folder []string `json:"folder"`
	Rules  string   `json:"rules"`
}

type answer struct {
	Text   string          `json:"text,omitempty"`
	Kept   []string        `json:"kept,omitempty"`
	YAML   string          `json:"yaml,omitempty"`
	Object json.RawMessage `json:"object,omitempty"`
	Error  string          `json:"error,omitempty"`
}

func main() {
	in := bufio.NewScanner(os.Stdin)
	in.Buffer(nil, 64<<20)
	out := json.NewEncoder(os.Stdout)
	out.SetEscapeHTML(false)
	for in.Scan() {
		var q question
		if err := json.Unmarshal(in.Bytes(), &q); err != nil {
			panic(err)
		}
		a, err := reply(q)
		if err != nil {
			a.Error = err.Error()
		}
		if err := out.Encode(a); err != nil {
			panic(err)
		}
	}
}

func reply(q question) (a answer, err error) {
	switch {
	case q.Paths != nil:
		a.Kept = kept(q)
	case q.Text != nil:
		a.Text, err = envsubst.Eval(*q.Text, func(name string) (string, bool) {
			value, known := q.Variables[name]
			return value, known || !q.Strict
		})
		if err != nil {
			a.Text = ""
		}
	default:
		a.Object, a.YAML, err = substituted(q)
	}
	return a, err
}

// kept does what SourceIgnoreFilter of fluxcd/pkg/artifact does.
func kept(q question) (found []string) {
	var patterns []gitignore.Pattern
	for _, one := range q.Ignored {
		patterns = append(patterns, sourceignore.ReadPatterns(strings.NewReader(one.Rules), one.Folder)...)
	}
	matcher := sourceignore.NewDefaultMatcher(patterns, nil)
	if len(patterns) > 0 {
		matcher = sourceignore.NewMatcher(append(sourceignore.VCSPatterns(nil), patterns...))
	}
	for _, path := range q.Paths {
		if !matcher.Match(strings.Split(path, "/"), false) {
			found = append(found, path)
		}
	}
	return found
}

func substituted(q question) (json.RawMessage, string, error) {
	res, err := provider.NewDefaultDepProvider().GetResourceFactory().FromBytes(q.Object)
	if err != nil {
		return nil, "", err
	}
	text, err := res.AsYAML()
	if err != nil {
		return nil, "", err
	}
	substitute := map[string]any{}
	for name, value := range q.Variables {
		substitute[name] = value
	}
	flux := unstructured.Unstructured{Object: map[string]any{
		"spec": map[string]any{"postBuild": map[string]any{"substitute": substitute}},
	}}
	done, err := kustomize.SubstituteVariables(context.Background(), nil, flux, res,
		kustomize.SubstituteWithDryRun(true), kustomize.SubstituteWithStrict(q.Strict), kustomize.SubstituteWithAlways(q.Always))
	if err != nil {
		return nil, string(text), err
	}
	if done == nil {
		done = res
	}
	after, err := done.AsYAML()
	if err != nil {
		return nil, string(text), err
	}
	body, err := yaml.YAMLToJSON(after)
	return body, string(text), err
}
