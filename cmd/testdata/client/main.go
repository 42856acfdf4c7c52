// Command client drives the three APIs beside the CloudConvert one with the client that oapi-codegen makes of their
// description: client URL KEY ORGANISATION WORKSPACE PATH. It prints ok, or fails.
package main

//go:generate go run github.com/oapi-codegen/oapi-codegen/v2/cmd/oapi-codegen@v2.8.2 -config oapi-codegen.yaml openapi.json

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"time"
)

func main() {
	if err := run(context.Background(), os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println("ok")
}

func run(ctx context.Context, args []string) error {
	key := func(_ context.Context, r *http.Request) error {
		r.Header.Set("Authorization", "Bearer "+args[1])
		return nil
	}
	c, err := NewClientWithResponses(args[0], WithRequestEditorFn(key))
	if err != nil {
		return err
	}
	id, err := files(ctx, c, args[2])
	if err != nil {
		return fmt.Errorf("files: %w", err)
	}
	if err := exports(ctx, c, args[0], id); err != nil {
		return fmt.Errorf("exports: %w", err)
	}
	if err := workspaces(ctx, c, args[3], args[4]); err != nil {
		return fmt.Errorf("workspaces: %w", err)
	}
	gone, err := c.DeleteApiV1OrganizationsOrganizationIdFilesFileWithResponse(ctx, args[2], id)
	if err != nil || gone.JSON200 == nil || len(*gone.JSON200) > 0 {
		return fmt.Errorf("delete: %s (%v)", gone.Body, err)
	}
	return nil
}

const text = "# Notes\n"

// files stores one file in each way and returns the id of one.
func files(ctx context.Context, c *ClientWithResponses, organisation string) (string, error) {
	name := "notes.md"
	params := &PostApiV1OrganizationsOrganizationIdFilesUploadParams{Filename: &name}
	raw, err := c.PostApiV1OrganizationsOrganizationIdFilesUploadWithBodyWithResponse(ctx, organisation, params, "text/markdown",
		strings.NewReader(text))
	if err != nil || raw.JSON200 == nil {
		return "", fmt.Errorf("upload: %v %w", raw, err)
	}
	form, err := c.PostApiV1OrganizationsOrganizationIdFilesUploadWithResponse(ctx, organisation, params,
		PostApiV1OrganizationsOrganizationIdFilesUploadJSONRequestBody{ContentType: "text/markdown", Data: []byte(text)})
	if err != nil || form.JSON200 == nil || form.JSON200.SizeBytes != raw.JSON200.SizeBytes || form.JSON200.MimeType != "text/markdown" {
		return "", fmt.Errorf("JSON form: %v %w", form, err)
	}
	id := raw.JSON200.Name[strings.LastIndexByte(raw.JSON200.Name, '/')+1:]
	known, err := c.GetApiV1OrganizationsOrganizationIdFilesFileMetadataWithResponse(ctx, organisation, id)
	if err != nil || known.JSON200 == nil || *known.JSON200 != *raw.JSON200 {
		return "", fmt.Errorf("metadata: %v %w", known, err)
	}
	body, err := c.GetApiV1OrganizationsOrganizationIdFilesFileDownloadWithResponse(ctx, organisation, id)
	if err != nil || string(body.Body) != text {
		return "", fmt.Errorf("download: %v %w", body, err)
	}
	return id, urls(ctx, c, organisation, id)
}

// urls uses what needs no key.
func urls(ctx context.Context, c *ClientWithResponses, organisation, id string) error {
	life := "60s"
	up, err := c.PostApiV1OrganizationsOrganizationIdFilesGenerateUploadUrlWithResponse(ctx, organisation,
		PostApiV1OrganizationsOrganizationIdFilesGenerateUploadUrlJSONRequestBody{ExpireDuration: &life})
	if err != nil || up.JSON200 == nil {
		return fmt.Errorf("upload URL: %v %w", up, err)
	}
	if _, err := send(ctx, http.MethodPut, up.JSON200.UploadUri, text); err != nil {
		return err
	}
	if _, err := send(ctx, http.MethodPut, up.JSON200.UploadUri, text); err == nil {
		return errors.New("an upload URL could be used twice")
	}
	down, err := c.PostApiV1OrganizationsOrganizationIdFilesFileGenerateDownloadUrlWithResponse(ctx, organisation, id,
		PostApiV1OrganizationsOrganizationIdFilesFileGenerateDownloadUrlJSONRequestBody{})
	if err != nil || down.JSON200 == nil {
		return fmt.Errorf("download URL: %v %w", down, err)
	}
	body, err := send(ctx, http.MethodGet, down.JSON200.DownloadUri, "")
	if err == nil && body != text {
		err = fmt.Errorf("the download URL gives %q", body)
	}
	return err
}

func send(ctx context.Context, method, address, body string) (string, error) {
	r, err := http.NewRequestWithContext(ctx, method, address, bytes.NewReader([]byte(body)))
	if err != nil {
		return "", err
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s %s", method, resp.Status, text)
	}
	return string(text), err
}

// exports makes a PDF of the file.
func exports(ctx context.Context, c *ClientWithResponses, base, id string) error {
	version := "2022-01-01"
	begun, err := c.PostPrototypePlatformFilesFileIdExportWithResponse(ctx, id,
		&PostPrototypePlatformFilesFileIdExportParams{XVersion: &version},
		PostPrototypePlatformFilesFileIdExportJSONRequestBody{Kind: "Document"})
	if err != nil {
		return err
	}
	at := begun.HTTPResponse.Header.Get("Location")
	if begun.StatusCode() != http.StatusAccepted || !strings.HasPrefix(at, base) {
		return fmt.Errorf("got %s %s, location %q", begun.Status(), begun.Body, at)
	}
	operation := at[strings.LastIndexByte(at, '/')+1:]
	for {
		op, err := c.GetPrototypePlatformOperationsOperationIdWithResponse(ctx, operation,
			&GetPrototypePlatformOperationsOperationIdParams{})
		switch {
		case err != nil:
			return err
		case op.JSON200 == nil || op.JSON200.Status == "failed":
			return fmt.Errorf("operation: %s", op.Body)
		case op.JSON200.Status == "completed":
			made, err := c.GetPrototypePlatformOperationsOperationIdResourceWithResponse(ctx, operation,
				&GetPrototypePlatformOperationsOperationIdResourceParams{})
			if err == nil && !bytes.HasPrefix(made.Body, []byte("%PDF-")) {
				err = fmt.Errorf("resource: %.80q", made.Body)
			}
			return err
		}
		after, err := time.ParseDuration(op.HTTPResponse.Header.Get("Retry-After") + "s")
		if err != nil {
			return err
		}
		time.Sleep(after) // what a client of this API is asked to do
	}
}

// workspaces exports a file of a computer.
func workspaces(ctx context.Context, c *ClientWithResponses, workspace, path string) error {
	made, err := c.PostApiFilesExportWithResponse(ctx, PostApiFilesExportJSONRequestBody{DesktopId: workspace, Path: path})
	if err != nil || made.JSON200 == nil || !made.JSON200.Success {
		return fmt.Errorf("got %v %w", made, err)
	}
	body, err := send(ctx, http.MethodGet, made.JSON200.Url, "")
	if err == nil && int64(len(body)) != int64(made.JSON200.File.SizeBytes) {
		err = fmt.Errorf("the URL gives %d bytes of %v", len(body), made.JSON200.File)
	}
	return err
}
