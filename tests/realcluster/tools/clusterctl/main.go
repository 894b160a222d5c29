// Answers a table of clusterctl templates with clusterctl's own processor: JSON lines in and out.
package main

import (
	"bufio"
	"encoding/json"
	"os"

	"sigs.k8s.io/cluster-api/cmd/clusterctl/client/yamlprocessor"
)

type question struct {
	Template  string            `json:"template"`
	Variables map[string]string `json:"variables"`
}

type answer struct {
	Text  string `json:"text,omitempty"`
	Error string `json:"error,omitempty"`
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
		var a answer
		done, err := yamlprocessor.NewSimpleProcessor().Process([]byte(q.Template), func(name string) (string, error) {
			if value, known := q.Variables[name]; known {
				return value, nil
			}
			return "", os.ErrNotExist
		})
		if err != nil {
			a.Error = err.Error()
		} else {
			a.Text = string(done)
		}
		if err := out.Encode(a); err != nil {
			panic(err)
		}
	}
}
