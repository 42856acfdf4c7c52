package azureblob

// What tests look at without a server.
var (
	BlockSize = blockSize
	BlockIDs  = blockIDs
)
