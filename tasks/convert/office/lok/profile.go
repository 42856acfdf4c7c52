package lok

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

const (
	xmlHead   = `<?xml version="1.0" encoding="UTF-8"?>` + "\n"
	itemsHead = `<oor:items xmlns:oor="http://openoffice.org/2001/registry" xmlns:xs="http://www.w3.org/2001/XMLSchema" ` +
		`xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">` + "\n"
)

// settings are LibreOffice's own fence, behind that of the toolbox: no macros, nothing fetched that a document links to,
// no link brought up to date, and whatever calls the outside all the same meets a proxy that is not there. The last ones are for
// speed: words are not checked, completed or collected, and a document that is only read is not saved by the way.
const settings = `<item oor:path="/org.openoffice.Office.Common/Security/Scripting"><prop oor:name="DisableMacrosExecution" oor:op="fuse"><value>true</value></prop></item>
<item oor:path="/org.openoffice.Office.Common/Security/Scripting"><prop oor:name="MacroSecurityLevel" oor:op="fuse"><value>3</value></prop></item>
<item oor:path="/org.openoffice.Office.Common/Security/Scripting"><prop oor:name="BlockUntrustedRefererLinks" oor:op="fuse"><value>true</value></prop></item>
<item oor:path="/org.openoffice.Office.Common/Security/Scripting"><prop oor:name="DisableActiveContent" oor:op="fuse"><value>true</value></prop></item>
<item oor:path="/org.openoffice.Office.Writer/Content/Update"><prop oor:name="Link" oor:op="fuse"><value>0</value></prop></item>
<item oor:path="/org.openoffice.Office.Calc/Content/Update"><prop oor:name="Link" oor:op="fuse"><value>1</value></prop></item>
<item oor:path="/org.openoffice.Inet/Settings"><prop oor:name="ooInetProxyType" oor:op="fuse"><value>2</value></prop></item>
<item oor:path="/org.openoffice.Inet/Settings"><prop oor:name="ooInetHTTPProxyName" oor:op="fuse"><value>127.0.0.1</value></prop></item>
<item oor:path="/org.openoffice.Inet/Settings"><prop oor:name="ooInetHTTPProxyPort" oor:op="fuse"><value>9</value></prop></item>
<item oor:path="/org.openoffice.Inet/Settings"><prop oor:name="ooInetHTTPSProxyName" oor:op="fuse"><value>127.0.0.1</value></prop></item>
<item oor:path="/org.openoffice.Inet/Settings"><prop oor:name="ooInetHTTPSProxyPort" oor:op="fuse"><value>9</value></prop></item>
<item oor:path="/org.openoffice.Inet/Settings"><prop oor:name="ooInetNoProxy" oor:op="fuse"><value></value></prop></item>
<item oor:path="/org.openoffice.Office.Common/Misc"><prop oor:name="FirstRun" oor:op="fuse"><value>false</value></prop></item>
<item oor:path="/org.openoffice.Office.Common/Misc"><prop oor:name="UseLocking" oor:op="fuse"><value>false</value></prop></item>
<item oor:path="/org.openoffice.Office.Linguistic/SpellChecking"><prop oor:name="IsSpellAuto" oor:op="fuse"><value>false</value></prop></item>
<item oor:path="/org.openoffice.Office.Recovery/AutoSave"><prop oor:name="Enabled" oor:op="fuse"><value>false</value></prop></item>
<item oor:path="/org.openoffice.Office.Writer/AutoFunction/Completion"><prop oor:name="Enable" oor:op="fuse"><value>false</value></prop></item>
<item oor:path="/org.openoffice.Office.Writer/AutoFunction/Completion"><prop oor:name="CollectWords" oor:op="fuse"><value>false</value></prop></item>
`

// LibreOfficeKit gives every document a window, whose bars took more time than a letter. So there is nothing in the window:
// no menus, no status bar and, by its number, no sidebar.
const (
	sidebar = `<item oor:path="/org.openoffice.Office.Views/Windows"><node oor:name="%s/10336" oor:op="replace"><node oor:name="UserData">` +
		`<prop oor:name="Data" oor:op="fuse" oor:type="xs:string"><value>V2,H,0</value></prop></node></node></item>
`
	menubar   = `<menu:menubar xmlns:menu="http://openoffice.org/2001/menu" menu:id="menubar"/>`
	statusbar = `<statusbar:statusbar xmlns:statusbar="http://openoffice.org/2001/statusbar" xmlns:xlink="http://www.w3.org/1999/xlink"/>`
)

// NewProfile makes the folder profile, with settings that keep LibreOffice from running macros and following links, and from
// what is only for somebody who sits in front of it.
func NewProfile(profile string) error {
	user := filepath.Join(profile, "user")
	var windows strings.Builder
	for _, module := range []string{"swriter", "sweb", "sglobal", "scalc", "simpress", "sdraw"} {
		fmt.Fprintf(&windows, sidebar, module)
		bars := filepath.Join(user, "config", "soffice.cfg", "modules", module)
		err := errors.Join(write(filepath.Join(bars, "menubar", "menubar.xml"), xmlHead+menubar),
			write(filepath.Join(bars, "statusbar", "statusbar.xml"), xmlHead+statusbar))
		if err != nil {
			return err
		}
	}
	return write(filepath.Join(user, "registrymodifications.xcu"), xmlHead+itemsHead+settings+windows.String()+"</oor:items>\n")
}

func write(file, content string) error {
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		return fmt.Errorf("make a profile: %w", err)
	}
	if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
		return fmt.Errorf("write a profile: %w", err)
	}
	return nil
}
