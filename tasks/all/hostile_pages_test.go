package all_test

import (
	"strconv"
	"strings"
)

// pages are those of the web: what they have drawn, what they hint at, and what their scripts call.
func pages() []hostile {
	const head = "<!doctype html><title>t</title><p>seen"
	elements := `<img src="LINK"><picture><source srcset="LINK"><img src="LINK"></picture><object data="LINK"></object>` +
		`<embed src="LINK"><video poster="LINK" src="LINK" autoplay></video><svg><image href="LINK"/><use href="LINK#r"/></svg>` +
		`<input type=image src="LINK"><table background="LINK"><tr><td style="background:url(LINK);content:url(LINK);list-style:url(LINK);cursor:url(LINK),auto">x</table>`
	parts := `<link rel=stylesheet href="LINK"><style>@import "LINK";@font-face{font-family:f;src:url("LINK")}p{font-family:f}</style><iframe src="LINK"></iframe>` +
		`<iframe srcdoc='<iframe src="LINK"></iframe>'></iframe><frame src="LINK"><a href="LINK" ping="LINK">x</a><script src="LINK"></script><script type=module src="LINK"></script>`
	hints := `<link rel=preload as=fetch href="LINK"><link rel=modulepreload href="LINK"><script type=speculationrules>{"prefetch":[{"source":"list","urls":["LINK"]}]}</script>` +
		`<audio src="LINK" autoplay><track default src="LINK"></audio>`
	for _, kind := range []string{"dns-prefetch", "preconnect", "prefetch", "prerender", "manifest", "icon", "next", "import", "alternate"} {
		hints += `<link rel=` + kind + ` href="LINK">`
	}
	scripts := `<script>(u=>{const p=t=>document.body.append(t),e=f=>{try{f()}catch(e){}};fetch(u).then(r=>r.text()).then(p).catch(()=>0);` +
		`e(()=>{x=new XMLHttpRequest;x.open("GET",u,false);x.send();p(x.responseText)});e(()=>navigator.sendBeacon(u));e(()=>new EventSource(u));` +
		`e(()=>new WebSocket(u.replace(/^http/,"ws")));e(()=>new Worker(URL.createObjectURL(new Blob(["importScripts('"+u+"')"]))));e(()=>new SharedWorker(u));` +
		`e(()=>navigator.serviceWorker.register(u).catch(()=>0));e(()=>import(u).catch(()=>0));e(()=>open(u));e(()=>new WebTransport(u.replace(/^http:/,"https:")).ready.catch(()=>0));` +
		`e(()=>new FontFace("g","url("+u+")").load().catch(()=>0));` +
		`e(()=>{r=new RTCPeerConnection({iceServers:[{urls:"stun:"+u.split("/")[2]},{urls:"turn:"+u.split("/")[2]+"?transport=tcp",username:"a",credential:"b"}]});` +
		`r.createDataChannel("c");r.createOffer().then(o=>r.setLocalDescription(o))})})("LINK")</script>`
	all := []hostile{
		{name: "pictures of a page", from: "html", content: around(head, each("png", elements), "")},
		{name: "parts of a page", from: "html", content: around(head, each("html", parts), "")},
		{name: "hints of a page", from: "html", content: around(head, each("html", hints), "")},
		{name: "scripts of a page", from: "html", content: around(head, each("txt", scripts), "")},
		{name: "base of a page", from: "html", content: func(links ...link) string {
			return `<!doctype html><base href="` + strings.TrimSuffix(links[0]("png"), "canary.png") + `"><p>seen<img src="canary.png"><a href="canary.html">x</a>`
		}, alone: true},
		{name: "entity", from: "html", alone: true, content: each("txt", `<?xml version="1.0"?><!DOCTYPE html [<!ENTITY x SYSTEM "LINK">]><html xmlns="http://www.w3.org/1999/xhtml"><body><p>seen &x;</p></body></html>`)},
	}
	for i, moves := range []string{
		`<meta http-equiv=refresh content="0;url=LINK">`, `<script>location="LINK"</script>`, `<form action="LINK" method=post><input name=a></form><script>document.forms[0].submit()</script>`,
		`<frameset><frame src="LINK"></frameset>`, `<meta http-equiv=Content-Security-Policy content="default-src 'none'; report-uri LINK"><img src="data:,"><script>1</script>`,
	} {
		all = append(all, hostile{name: "a page that moves " + strconv.Itoa(i), from: "html", content: each("html", head+moves), alone: true})
	}
	return all
}
