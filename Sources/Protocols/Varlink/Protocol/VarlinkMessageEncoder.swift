import NIOCore
import StrictJSON

/// Writes messages into a buffer, each with its NUL. UAPI.20, "Method reply" and "Method call".
enum VarlinkMessageEncoder {
    static func writeEmptyReply(to output: inout ByteBuffer) {
        output.writeStaticString("{\"parameters\":{}}\0")
    }

    /// `parameters` is a JSON object.
    static func writeReply(_ parameters: [UInt8], continues: Bool, to output: inout ByteBuffer) {
        assert(!parameters.contains(0), "a NUL ends a message")
        output.writeStaticString("{\"parameters\":")
        output.writeBytes(parameters)
        output.writeStaticString(continues ? ",\"continues\":true}\0" : "}\0")
    }

    static func writeError(_ name: String, _ parameters: ArraySlice<UInt8>, to output: inout ByteBuffer) {
        var writer = JSONWriter()
        writer.beginObject()
        writer.member("error", name)
        writer.member("parameters", raw: parameters)
        writer.endObject()
        output.writeBytes(writer.bytes)
        output.writeInteger(UInt8(0))
    }

    static func writeCall(_ method: String, parameters: [UInt8], oneway: Bool, more: Bool, to output: inout ByteBuffer) {
        var writer = JSONWriter(reservingCapacity: method.utf8.count + parameters.count + 64)
        writer.beginObject()
        writer.member("method", method)
        if !parameters.isEmpty { writer.member("parameters", raw: parameters) }
        if oneway { writer.member("oneway", true) }
        if more { writer.member("more", true) }
        writer.endObject()
        output.writeBytes(writer.bytes)
        output.writeInteger(UInt8(0))
    }
}
