// Judges checkpoints and proofs with Go's own readers (golang.org/x/mod/sumdb), which share no line with Caxton's.
// Reads a JSON list of cases from standard input and writes a JSON list of verdicts: "" or what is wrong.
package main

import (
	"bytes"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

type key struct {
	Name string `json:"name"`
	// Signature type and public key.
	Key []byte `json:"key"`
	ID  uint32 `json:"id"`
}

type tree struct {
	Size int64  `json:"size"`
	Root []byte `json:"root"`
}

type item struct {
	Note        string   `json:"note"`
	Log         string   `json:"log"` // a vkey
	Witnesses   []key    `json:"witnesses"`
	Record      []byte   `json:"record"`
	Index       int64    `json:"index"`
	Inclusion   [][]byte `json:"inclusion"`
	Old         tree     `json:"old"`
	Consistency [][]byte `json:"consistency"`
}

// A witness of c2sp.org/tlog-cosignature, which the package leaves to others.
type witness struct{ key }

func (w witness) Name() string    { return w.key.Name }
func (w witness) KeyHash() uint32 { return w.key.ID }
func (w witness) Verify(msg, sig []byte) bool {
	if len(sig) != 8+ed25519.SignatureSize || w.Key[0] != 4 {
		return false
	}
	head := fmt.Sprintf("cosignature/v1\ntime %d\n", binary.BigEndian.Uint64(sig[:8]))
	return ed25519.Verify(w.Key[1:], append([]byte(head), msg...), sig[8:])
}

func hashes(list [][]byte) []tlog.Hash {
	var all []tlog.Hash
	for _, one := range list {
		var h tlog.Hash
		copy(h[:], one)
		all = append(all, h)
	}
	return all
}

func judge(c item) error {
	log, err := note.NewVerifier(c.Log)
	if err != nil {
		return err
	}
	verifiers := []note.Verifier{log}
	for _, k := range c.Witnesses {
		verifiers = append(verifiers, witness{k})
	}
	opened, err := note.Open([]byte(c.Note), note.VerifierList(verifiers...))
	if err != nil {
		return err
	}
	if len(opened.Sigs) != len(verifiers) {
		return fmt.Errorf("%d signatures hold, not %d", len(opened.Sigs), len(verifiers))
	}
	lines := strings.Split(opened.Text, "\n")
	if lines[0] != log.Name() {
		return fmt.Errorf("the origin is %s", lines[0])
	}
	size, err := strconv.ParseInt(lines[1], 10, 64)
	if err != nil {
		return err
	}
	raw, err := base64.StdEncoding.DecodeString(lines[2])
	if err != nil {
		return err
	}
	root := hashes([][]byte{raw})[0]
	if err := tlog.CheckRecord(hashes(c.Inclusion), size, root, c.Index, tlog.RecordHash(c.Record)); err != nil {
		return err
	}
	return tlog.CheckTree(hashes(c.Consistency), size, root, c.Old.Size, hashes([][]byte{c.Old.Root})[0])
}

func main() {
	var cases []item
	if err := json.NewDecoder(os.Stdin).Decode(&cases); err != nil {
		panic(err)
	}
	verdicts := []string{}
	for _, c := range cases {
		if err := judge(c); err != nil {
			verdicts = append(verdicts, err.Error())
		} else {
			verdicts = append(verdicts, "")
		}
	}
	var out bytes.Buffer
	json.NewEncoder(&out).Encode(verdicts)
	os.Stdout.Write(out.Bytes())
}
