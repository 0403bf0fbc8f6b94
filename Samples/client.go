// Asks a running `mafin serve ART --index INDEX` for the best documents. Needs Go's own library alone.
//
//	go run Samples/client.go "how do statins work"      MAFIN_URL, MAFIN_KEY: the service's address, and its key if it has keys
package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
)

type answer struct {
	Results []struct {
		ID    string  `json:"id"`
		Score float64 `json:"score"`
	} `json:"results"`
}

func main() {
	if len(os.Args) != 2 {
		log.Fatal("usage: go run Samples/client.go QUERY")
	}
	url := os.Getenv("MAFIN_URL")
	if url == "" {
		url = "http://127.0.0.1:8080"
	}
	body, _ := json.Marshal(map[string]any{"query": os.Args[1], "top": 3})
	request, err := http.NewRequest("POST", url+"/search", bytes.NewReader(body))
	if err != nil {
		log.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/json")
	if key := os.Getenv("MAFIN_KEY"); key != "" {
		request.Header.Set("Authorization", "Bearer "+key)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		log.Fatal(err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		message, _ := io.ReadAll(response.Body)
		log.Fatalf("status %d: %s", response.StatusCode, message)
	}
	var found answer
	if err := json.NewDecoder(response.Body).Decode(&found); err != nil {
		log.Fatal(err)
	}
	for _, hit := range found.Results {
		fmt.Printf("%.4f  %s\n", hit.Score, hit.ID)
	}
}
