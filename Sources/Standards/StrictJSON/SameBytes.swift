/// Whether two runs of bytes are the same. For where every request comes by: `elementsEqual` asks a slice for one element after another.
package func areSame(_ one: UnsafeBufferPointer<UInt8>, _ other: UnsafeBufferPointer<UInt8>) -> Bool {
    one.count == other.count && one.elementsEqual(other)
}

extension ArraySlice<UInt8> {
    /// Whether these are the other's bytes.
    package func isSame(as other: [UInt8]) -> Bool {
        count == other.count && withUnsafeBufferPointer { own in other.withUnsafeBufferPointer { areSame(own, $0) } }
    }
}
