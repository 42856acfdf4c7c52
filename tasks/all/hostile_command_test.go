package all_test

import (
	"encoding/json"
	"strings"
)

// commands are those that look for the canary. What is under /input/ and /output/ is their own.
func (c *canary) commands(pictured string) (found []strike) {
	script := "function Pandoc(doc)\n local text = ''\n for _, name in ipairs({'PATH', '/proc/self/environ', '/proc/1/environ', '/proc/self/mountinfo', '/etc/hostname'}) do\n" +
		"  local f = io.open(name)\n  if f then text = text .. f:read('a'):gsub('%z', ' ') end\n end\n" +
		" local p = io.popen('cat PATH; env; cat /proc/*/environ; ls -R /tmp /job /in /home /root; cp PATH /output/; echo x > FOLDER/made; rm -rf FOLDER')\n" +
		" if p then text = text .. p:read('a') end\n return pandoc.Pandoc({pandoc.Para(text)})\nend\n"
	calls := "function Pandoc(doc)\n local _, text = pandoc.mediabag.fetch('URL')\n return pandoc.Pandoc({pandoc.Para(text)})\nend\n"
	for _, k := range []struct{ suite, program, arguments, name, content string }{
		{"pandoc", "pandoc", "-t plain --lua-filter=/input/in/a.lua /dev/null", "a.lua", script},
		{"ffmpeg", "ffmpeg", "-i FOLDER/canary.ts /output/a.mp4", "a.png", pictured},
		{"ffmpeg", "ffmpeg", "-i SERVER/canary.ts /output/a.mp4", "a.png", pictured},
		{"ffmpeg", "ffmpeg", "-f concat -safe 0 -i /input/in/a.txt /output/a.mp4", "a.txt", "ffconcat version 1.0\nfile 'FOLDER/canary.ts'\n"},
		{"ffmpeg", "ffmpeg", "-allowed_extensions ALL -protocol_whitelist file,http,tcp -i /input/in/a.m3u8 /output/a.mp4", "a.m3u8",
			"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nSERVER/canary.ts\n#EXTINF:1,\nFOLDER/canary.ts\n#EXT-X-ENDLIST\n"},
		{"ffmpeg", "ffmpeg", "-f lavfi -i movie=FOLDER/canary.ts /output/a.mp4", "a.png", pictured},
		{"ffmpeg", "ffmpeg", "-f data -i /proc/self/environ -map 0 -c copy -f data /output/a", "a.png", pictured},
		{"ffmpeg", "ffmpeg", "-f data -i /proc/1/environ -map 0 -c copy -f data /output/a", "a.png", pictured},
		{"ffmpeg", "ffmpeg", "-f lavfi -i color -vf drawtext=textfile=FOLDER/canary.txt -frames:v 1 /output/a.png", "a.png", pictured},
		{"ffmpeg", "ffmpeg", "-i /input/in/a.png -y FOLDER/canary.png", "a.png", pictured},
		{"ffmpeg", "ffmpeg", "-i /input/in/a.png SERVER/made.png", "a.png", pictured},
		{"ffmpeg", "ffprobe", "FOLDER/canary.ts", "a.png", pictured},
		{"imagemagick", "convert", "label:@FOLDER/canary.txt /output/a.png", "a.png", pictured},
		{"imagemagick", "convert", "text:FOLDER/canary.txt /output/a.png", "a.png", pictured},
		{"imagemagick", "convert", "@FOLDER/canary.txt /output/a.png", "a.png", pictured},
		{"imagemagick", "convert", "SERVER/canary.png /output/a.png", "a.png", pictured},
		{"imagemagick", "convert", "ephemeral:FOLDER/canary.png /output/a.png", "a.png", pictured},
		{"imagemagick", "convert", "msl:/input/in/a.msl /output/a.png", "a.msl", `<image><read filename="FOLDER/canary.png"/><write filename="FOLDER/made.png"/></image>`},
		{"imagemagick", "convert", "mvg:/input/in/a.mvg /output/a.png", "a.mvg", "push graphic-context\nviewbox 0 0 64 64\nimage over 0,0 64,64 'FOLDER/canary.png'\npop graphic-context\n"},
		{"imagemagick", "convert", "/input/in/a.svg /output/a.png", "a.svg", `<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" width="64" height="64"><image width="64" height="64" xlink:href="FOLDER/canary.png"/></svg>`},
		{"imagemagick", "convert", "/input/in/a.png -write FOLDER/made.png /output/a.png", "a.png", pictured},
		{"imagemagick", "convert", "-profile FOLDER/canary.txt /input/in/a.png /output/a.png", "a.png", pictured},
		{"imagemagick", "identify", "-format %[*] vid:FOLDER/*", "a.png", pictured},
		{"graphicsmagick", "gm", "convert FOLDER/canary.png /output/a.png", "a.png", pictured},
		{"graphicsmagick", "gm", "convert SERVER/canary.png /output/a.png", "a.png", pictured},
		{"graphicsmagick", "gm", "batch /input/in/a.txt", "a.txt", "convert FOLDER/canary.png /output/a.png\nconvert /input/in/a.txt FOLDER/made.png\n"},
		{"pandoc", "pandoc", "FOLDER/canary.txt -o /output/a.html", "a.png", pictured},
		{"pandoc", "pandoc", "SERVER/canary.html -o /output/a.md", "a.png", pictured},
		{"pandoc", "pandoc", "-t plain --lua-filter=/input/in/a.lua /dev/null", "a.lua", calls},
		{"pandoc", "pandoc", "-o /output/a.docx --extract-media=FOLDER/made /input/in/a.md", "a.md", "![](FOLDER/canary.png)\n![](SERVER/canary.png)\n"},
		{"pandoc", "pandoc", "-s -t html --include-in-header=FOLDER/canary.txt /dev/null", "a.png", pictured},
	} {
		fill := strings.NewReplacer("FOLDER", c.dir, "PATH", c.dir+"/canary.txt", "URL", c.url+"/canary.txt", "SERVER", c.url)
		raw, _ := json.Marshal(map[string]any{"engine": k.suite, "command": k.program, "arguments": fill.Replace(k.arguments), "capture_output": true})
		found = append(found, strike{name: k.program + " " + k.arguments, params: string(raw), file: stored{k.name, fill.Replace(k.content)}, words: true})
	}
	return found
}
