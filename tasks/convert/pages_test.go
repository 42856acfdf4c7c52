package convert_test

import (
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/gantry-engine/gantry/engine"
	"github.com/gantry-engine/gantry/tasks/convert"
)

func TestPages(t *testing.T) {
	for text, want := range map[string][]int{
		"": {1, 2, 3, 4, 5}, "  ": {1, 2, 3, 4, 5}, "2": {2}, "1-3": {1, 2, 3}, "1-3,5": {1, 2, 3, 5}, "4-": {4, 5}, "-2": {1, 2},
		" 1 , 3 - 4 ": {1, 3, 4}, "5,1": {5, 1}, "2,2": {2, 2}, "5-": {5}, "007": nil, "6": nil, "6-": nil, "3-9": nil, "2147483647": nil,
	} {
		t.Run(text, func(t *testing.T) {
			p, err := convert.ParsePages(text)
			if err != nil {
				t.Fatal(err)
			}
			got, err := p.Of(5)
			if want == nil {
				if engine.CodeOf(err) != engine.Invalid || !strings.Contains(engine.MessageOf(err), "the document has 5.") {
					t.Errorf("got %v, %v, want a refusal that names the number of pages", got, err)
				}
				return
			}
			if err != nil || !slices.Equal(got, want) {
				t.Errorf("got %v, %v, want %v", got, err, want)
			}
		})
	}
}

func TestPagesMistakes(t *testing.T) {
	for text, want := range map[string]string{
		",": "numbers and ranges", "1,,2": "numbers and ranges", "-": "numbers and ranges", "1-2-3": "numbers and ranges",
		"all": "numbers and ranges", "0": "from 1 on", "0-3": "from 1 on", "3-1": "backwards", "1;2": "numbers and ranges",
		"+1": "numbers and ranges", "1.5": "numbers and ranges", "99999999999999999999": "numbers and ranges",
		"٣": "numbers and ranges", strings.Repeat("1,", 9000): "at most",
	} {
		t.Run(text[:min(len(text), 20)], func(t *testing.T) {
			if _, err := convert.ParsePages(text); err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("got %v, want a problem with %q", err, want)
			}
		})
	}
}

func TestPagesAreBounded(t *testing.T) {
	p, err := convert.ParsePages(strings.TrimSuffix(strings.Repeat("1-,", 100), ","))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.Of(50_000); engine.CodeOf(err) != engine.TooLarge {
		t.Errorf("got %v, want TOO_LARGE", err)
	}
}

func FuzzParsePages(f *testing.F) {
	for _, text := range []string{"", "1", "1-3,7,9-", "-2", "3-1", ",", "99999999999999999999", "1-2147483647"} {
		f.Add(text, 5)
	}
	f.Fuzz(func(t *testing.T, text string, count int) {
		if count < 1 || count > math.MaxInt32 {
			return
		}
		p, err := convert.ParsePages(text)
		if err != nil {
			return
		}
		numbers, err := p.Of(count)
		if err == nil && (slices.Min(numbers) < 1 || slices.Max(numbers) > count) {
			t.Errorf("%q of %d: got %v", text, count, numbers)
		}
	})
}
