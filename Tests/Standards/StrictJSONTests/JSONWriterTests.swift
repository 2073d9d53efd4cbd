import StrictJSON
import Testing

@Suite struct JSONWriterTests {
    @Test func writesCommasWhereTheyBelong() {
        var writer = JSONWriter()
        writer.beginObject()
        writer.member("a", 1)
        writer.member("b", ["x", "y"])
        writer.member("none", ifPresent: nil as String?)
        writer.name("c")
        writer.beginArray()
        writer.beginObject()
        writer.endObject()
        writer.null()
        writer.bool(true)
        writer.raw("[0]".utf8)
        writer.plainString(Array("abc".utf8))
        writer.endArray()
        writer.member("d", raw: "{}".utf8)
        writer.endObject()
        #expect(String(decoding: writer.bytes, as: UTF8.self) == #"{"a":1,"b":["x","y"],"c":[{},null,true,[0],"abc"],"d":{}}"#)
        writer.removeAll()
        writer.integer(-5)
        #expect(String(decoding: writer.bytes, as: UTF8.self) == "-5")
    }

    @Test("any string is read back, and no control character reaches the wire")
    func strings() throws {
        let scalars = (1..<0x300).compactMap(Unicode.Scalar.init) + [0x2028, 0xFFFF, 0x10000, 0x10FFFF].compactMap(Unicode.Scalar.init)
        var text = ""
        text.unicodeScalars.append(contentsOf: scalars)
        var writer = JSONWriter()
        writer.string(text)
        #expect(writer.bytes.allSatisfy { $0 >= 0x20 && $0 != 0x7F })
        #expect(try JSONDocument(parsing: writer.bytes).root.stringBytes() == Array(text.utf8))
    }
}
