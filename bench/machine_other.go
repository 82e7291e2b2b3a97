//go:build !linux

package main

import (
	"errors"
	"math"
	"os"
)

func dataSync(f *os.File) error { return f.Sync() }

func forget(*os.File) error { return errors.New("dropping files from the page cache needs Linux") }

func settleDisk() {}

func room(string) (int64, error) { return math.MaxInt64, nil } // unknown: the disk will tell

func deviceOf(string) (string, bool) { return "", false }
