// Package tools runs programs that scripts have got into out/tools, such as stores of
// objects, for tests. Only tests import this package.
package tools
