<?xml version="1.0" encoding="UTF-8"?>
<!-- Makes R.kt of the sample's strings.xml, in the place of the R that Android's build tools make: a text that is named in the
     code and is not there doesn't compile. -->
<xsl:stylesheet version="1.0" xmlns:xsl="http://www.w3.org/1999/XSL/Transform">
  <xsl:output method="text" encoding="UTF-8" />
  <xsl:template match="/resources">
    <xsl:text>package org.fieldscore.sample&#10;&#10;object R {&#10;    object string {&#10;</xsl:text>
    <xsl:for-each select="string">
      <xsl:value-of select="concat('        const val ', @name, ': Int = ', position(), '&#10;')" />
    </xsl:for-each>
    <xsl:text>    }&#10;}&#10;</xsl:text>
  </xsl:template>
</xsl:stylesheet>
