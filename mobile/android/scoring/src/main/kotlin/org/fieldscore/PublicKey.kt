package org.fieldscore

/** The lender's Ed25519 public key: bundles that it has signed are trusted. It is no secret; pin it in the app. */
public class PublicKey private constructor(internal val bytes: ByteArray) {
    override fun equals(other: Any?): Boolean = other is PublicKey && bytes.contentEquals(other.bytes)

    override fun hashCode(): Int = bytes.contentHashCode()

    /** The key in 64 hexadecimal digits. */
    override fun toString(): String = bytes.hex()

    public companion object {
        private const val LENGTH = 32

        /**
         * The key of these 32 bytes.
         *
         * @throws FieldscoreException.WrongType for another number of bytes
         */
        @JvmStatic
        public fun of(bytes: ByteArray): PublicKey {
            if (bytes.size != LENGTH) throw wrongArgument("key", "a public key of 32 bytes")
            return PublicKey(bytes.copyOf())
        }

        /**
         * The key of these 64 hexadecimal digits, as the command `fieldscore key new` writes it.
         *
         * @throws FieldscoreException.WrongType for anything else
         */
        @JvmStatic
        public fun ofHex(digits: String): PublicKey {
            val nibbles = digits.trim().map { Character.digit(it, 16) }
            if (nibbles.size != 2 * LENGTH || nibbles.any { it < 0 }) {
                throw wrongArgument("key", "a public key in 64 hexadecimal digits")
            }
            return PublicKey(ByteArray(LENGTH) { (nibbles[2 * it] * 16 + nibbles[2 * it + 1]).toByte() })
        }
    }
}
