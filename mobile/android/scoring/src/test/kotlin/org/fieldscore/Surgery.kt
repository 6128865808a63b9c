package org.fieldscore

import java.nio.ByteBuffer
import java.nio.ByteOrder
import java.security.KeyPairGenerator
import java.security.MessageDigest
import java.security.Signature

/** Takes a bundle apart and signs it again, with a key of its own (docs/bundle-format.md). */
class Surgery {
    private val pair = KeyPairGenerator.getInstance("Ed25519").generateKeyPair()

    /** The last 32 bytes of its X.509 form, RFC 8410. */
    private val public = pair.public.encoded.takeLast(32).toByteArray()

    val keys = listOf(PublicKey.of(public))

    /** The golden bundle with something changed, hashed and signed as if it were meant so. */
    fun signed(change: (ByteBuffer) -> Unit = {}): ByteArray {
        val bytes = Golden.bundle.copyOf()
        val bundle = ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN)
        change(bundle)
        val count = bundle.getInt(12)
        sha256(public).copyInto(bytes, 40, 0, 8)
        for (entry in (0 until count).map { HEADER + it * ENTRY }) {
            sha256(bytes.copyOfRange(bundle.offset(entry), bundle.offset(entry) + bundle.length(entry)))
                .copyInto(bytes, entry + 32)
        }
        val signer = Signature.getInstance("Ed25519")
        signer.initSign(pair.private)
        val end = HEADER + count * ENTRY
        signer.update(bytes, 0, end)
        signer.sign().copyInto(bytes, end)
        return bytes
    }

    companion object {
        private const val HEADER = 128
        private const val ENTRY = 64

        private fun ByteBuffer.offset(entry: Int) = getLong(entry + 8).toInt()

        private fun ByteBuffer.length(entry: Int) = getLong(entry + 16).toInt()

        private fun sha256(bytes: ByteArray) = MessageDigest.getInstance("SHA-256").digest(bytes)

        /** Where a section lies. */
        fun section(bundle: ByteBuffer, name: String): IntRange {
            val entries = (0 until bundle.getInt(12)).map { HEADER + it * ENTRY }
            val entry = entries.first { at -> (0..3).all { bundle.get(at + it) == name[it].code.toByte() } }
            return bundle.offset(entry) until bundle.offset(entry) + bundle.length(entry)
        }

        /** Multiplies the last layer's answer: the first of the sixteen factors that end the weights. */
        fun scaled(bundle: ByteBuffer, factor: (Float) -> Float) {
            val at = section(bundle, "WGTS").last + 1 - 16 * 4
            bundle.putFloat(at, factor(bundle.getFloat(at)))
        }
    }
}
